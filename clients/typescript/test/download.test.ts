import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { v1 } from "../src/index.js";
import { connect, eventually, startGateway, startProxy } from "./fixture.js";

const options = { timeout: 60_000 };
const id = "exp_1";

/** A gateway that has stored an export. */
async function prepare(t: TestContext, size: number) {
  const content = randomBytes(size);
  const files = createServer((_, answer) => {
    answer.end(content);
  });
  files.listen(0, "127.0.0.1");
  await once(files, "listening");
  t.after(() => files.close());
  const host = `127.0.0.1:${(files.address() as AddressInfo).port}`;
  const gateway = await startGateway(t, "--export-allow-host", host);
  await gateway.post(1, { export_id: id, download_url: `http://${host}/file` }, "export.ready");
  const { exports } = connect(t, gateway.grpc);
  await eventually(async () => {
    const { exports: all } = await exports.listExports({});
    return all.some(({ state }) => state === v1.Export_State.AVAILABLE);
  });
  return { content, gateway };
}

test("an export is downloaded whole", options, async (t) => {
  const { content, gateway } = await prepare(t, 500_000);
  const download = await connect(t, gateway.grpc).download(id);
  assert.equal(download.size, content.length);
  assert.equal(download.sha256, createHash("sha256").update(content).digest("hex"));
  assert.ok(content.equals(await buffer(download.readable())));
});

test("a download goes on over lost connections", options, async (t) => {
  const { content, gateway } = await prepare(t, 2_000_000);
  const proxy = await startProxy(t, gateway.grpc, (connection) => ({ cutAfter: connection * 300_000 }));
  const download = await connect(t, proxy.address).download(id);
  assert.ok(content.equals(await buffer(download)));
  assert.ok(proxy.connections > 2);
});

test("a download goes on after what an earlier one brought, also if that was all", options, async (t) => {
  const { content, gateway } = await prepare(t, 300_000);
  const client = connect(t, gateway.grpc);
  for (const had of [200_001, content.length]) {
    const download = await client.download(id, { resume: Readable.from([content.subarray(0, had)]) });
    assert.ok(content.subarray(had).equals(await buffer(download)));
  }
});

test("bytes that aren't the export's fail the checksum", options, async (t) => {
  const { gateway } = await prepare(t, 1_000);
  const download = await connect(t, gateway.grpc).download(id, { resume: Readable.from([Buffer.from("other")]) });
  await assert.rejects(buffer(download), { code: "DATA_LOSS", message: /checksum is [0-9a-f]{64} instead of/ });
});

test("an empty export, a missing one, and one that is no more wanted", options, async (t) => {
  const { gateway } = await prepare(t, 0);
  const client = connect(t, gateway.grpc);
  assert.equal((await buffer(await client.download(id))).length, 0);
  await assert.rejects(client.download("nobody"), {
    code: "NOT_FOUND",
    reason: "EXPORT_NOT_FOUND",
    metadata: { id: "nobody" },
  });
  const reason = new Error("enough");
  await assert.rejects(client.download(id, { signal: AbortSignal.abort(reason) }), reason);
});

test("a gateway that isn't there fails a download in the end", options, async (t) => {
  const { gateway } = await prepare(t, 1_000);
  const client = connect(t, gateway.grpc);
  await gateway.kill();
  const random = t.mock.method(Math, "random", () => 0);
  await assert.rejects(client.download(id), { code: "UNAVAILABLE", reason: "" });
  assert.equal(random.mock.callCount(), 7);
});
