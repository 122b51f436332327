import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { StrawClient } from "@straw-gateway/client";
import type { Fetch } from "./argument.js";
import { print } from "./output.js";

export async function download(client: StrawClient, argument: Fetch, stopped: AbortController): Promise<void> {
  const { export: id, file, resume = false } = argument;
  const bytes = await client.download(id, {
    signal: stopped.signal,
    ...(resume && { resume: createReadStream(file) }),
  });
  await pipeline(bytes.readable(), createWriteStream(file, { flags: resume ? "a" : "w" }));
  print(await sum(file));
}

/** Looks at what is in the file now. */
async function sum(file: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}
