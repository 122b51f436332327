import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { SIGNATURE_HEADER, verifySignature } from "../src/index.js";

const body = Buffer.from('{"id":"evt_1"}');
const sign = (secret: string) => createHmac("sha256", secret).update(body).digest("hex");
const good = sign("new");

for (const [name, header, secrets, ok] of [
  ["first secret", good, ["new", "old"], true],
  ["second secret", sign("old"), ["new", "old"], true],
  ["upper case", good.toUpperCase(), ["new"], true],
  ["prefix", `sha256=${good}`, ["new"], true],
  ["another secret", sign("other"), ["new", "old"], false],
  ["no secret", good, [], false],
  ["missing header", undefined, ["new"], false],
  ["empty header", "", ["new"], false],
  ["prefix alone", "sha256=", ["new"], false],
  ["another prefix", `sha1=${good}`, ["new"], false],
  ["short", good.slice(0, 62), ["new"], false],
  ["odd", good.slice(0, 63), ["new"], false],
  ["long", `${good}00`, ["new"], false],
  ["two joined", `${good},${good}`, ["new"], false],
  ["repeated", [good, good], ["new"], false],
  ["not hex", "z".repeat(64), ["new"], false],
  ["a line behind it", `${good}\n`, ["new"], false],
] as [string, string | string[] | undefined, string[], boolean][]) {
  test(`signature: ${name}`, () => {
    assert.equal(verifySignature(body, header, ...secrets), ok);
  });
}

test("signature: an empty secret is an error, among others too", () => {
  assert.throws(() => verifySignature(body, sign(""), ""), /secret is empty/);
  assert.throws(() => verifySignature(body, good, "new", ""), /secret is empty/);
});

test("signature: a known answer, of RFC 4231", () => {
  const mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
  assert.ok(verifySignature("what do ya want for nothing?", mac, "Jefe"));
  assert.equal(SIGNATURE_HEADER, "x-juicebox-signature");
});
