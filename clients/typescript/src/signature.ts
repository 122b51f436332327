import { createHmac, timingSafeEqual } from "node:crypto";

/** The header of a webhook's signature, as Node writes it. */
export const SIGNATURE_HEADER = "x-juicebox-signature";

const pattern = /^(?:sha256=)?([0-9a-fA-F]{64})$/;

/**
 * Says whether a webhook was signed with one of the secrets: during a rotation there are two. For programs that receive webhooks
 * themselves; the gateway has verified what it streams. Takes the same time whatever is wrong, and throws if a secret is empty.
 *
 * @param body - what was received, byte for byte, before any parsing
 * @param header - the value of `SIGNATURE_HEADER`: the hex HMAC-SHA256 of the body, in either case, with or without a `sha256=`
 *   prefix; a missing or repeated header never verifies
 * @param secrets - any of them may match
 */
export function verifySignature(
  body: Uint8Array | string,
  header: string | readonly string[] | undefined,
  ...secrets: string[]
): boolean {
  if (secrets.includes("")) {
    throw new TypeError("a webhook secret is empty: anyone could sign with it");
  }
  const digits = typeof header === "string" ? pattern.exec(header)?.[1] : undefined;
  const given = Buffer.from(digits ?? "0".repeat(64), "hex");
  let matched = false;
  for (const secret of secrets) {
    const wanted = createHmac("sha256", secret).update(body).digest();
    // Every secret is tried, so that the time doesn't tell which one it was.
    matched = timingSafeEqual(wanted, given) || matched;
  }
  return matched && digits !== undefined;
}
