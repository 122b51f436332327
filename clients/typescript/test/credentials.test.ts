import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { StrawClient } from "../src/index.js";
import { connect, take } from "./fixture.js";
import { forever, frame, serve } from "./scripted.js";

const options = { timeout: 60_000 };

async function* oneEvent() {
  yield frame(1);
  await forever();
}

function pem(name: string): Promise<string> {
  return readFile(join(import.meta.dirname, "../../test/tls", name), "utf8");
}

test("a token goes with every call, from a value or a function", options, async (t) => {
  const { address, tokens } = await serve(t, oneEvent);
  await connect(t, address, { token: "t1" }).gateway.getStatus({});
  let asked = 1;
  const renewing = connect(t, address, { token: () => Promise.resolve(`t${++asked}`) });
  await renewing.gateway.getStatus({});
  await renewing.gateway.getStatus({});
  assert.deepEqual(tokens, ["Bearer t1", "Bearer t2", "Bearer t3"]);
});

test("a source of tokens that fails ends the call with UNAUTHENTICATED", options, async (t) => {
  const { address } = await serve(t, oneEvent);
  const token = () => Promise.reject(new Error("no vault"));
  await assert.rejects(connect(t, address, { token }).gateway.getStatus({}), { code: "UNAUTHENTICATED", reason: "" });
});

test("a token is refused in plaintext beyond this machine", () => {
  assert.throws(() => new StrawClient("gateway.example:443", { tls: false, token: "t" }), /without TLS could be read/);
  new StrawClient("gateway.example:443", { token: "t" }).close();
  new StrawClient("localhost:9090", { token: "t" }).close();
});

test("an address is host:port", () => {
  for (const address of [
    "",
    "gateway",
    "gateway:",
    ":9090",
    "http://gateway:9090",
    "gateway:99999",
    "::1:9090",
    "a b:1",
  ]) {
    assert.throws(() => new StrawClient(address), /isn't host:port, such as 127\.0\.0\.1:9090/, address);
  }
  for (const address of ["127.0.0.1:1", "localhost:9090", "[::1]:9090", "gateway.example:443"]) {
    new StrawClient(address).close();
  }
});

test("TLS with roots of one's own, and none with others'", options, async (t) => {
  const { address } = await serve(t, oneEvent, { key: await pem("server.key"), cert: await pem("server.pem") });
  const trusting = connect(t, address, { tls: { ca: await pem("ca.pem") } });
  assert.deepEqual(await take(trusting.subscribe(), 1), ["evt_1"]);
  await assert.rejects(
    connect(t, address, { tls: true }).exports.getExport({ id: "x" }),
    /self-signed certificate|unable to/,
  );
});

test("mutual TLS", options, async (t) => {
  const { address } = await serve(t, oneEvent, {
    key: await pem("server.key"),
    cert: await pem("server.pem"),
    ca: await pem("ca.pem"),
    requestCert: true,
    rejectUnauthorized: true,
  });
  const tls = { ca: await pem("ca.pem"), cert: await pem("client.pem"), key: await pem("client.key") };
  assert.equal((await connect(t, address, { tls }).gateway.getStatus({})).version, "v0.0.0");
  await assert.rejects(connect(t, address, { tls: { ca: tls.ca } }).exports.getExport({ id: "x" }));
});
