import assert from "node:assert/strict";
import { test } from "node:test";
import { StrawError, type Event } from "../src/index.js";
import { connect, startGateway, startProxy, take } from "./fixture.js";

const options = { timeout: 60_000 };

test("events come in order, typed, and end at the head", options, async (t) => {
  const gateway = await startGateway(t);
  const ids = await gateway.post(20, { result_count: 7 });
  const client = connect(t, gateway.grpc);
  const events: Event[] = [];
  for await (const event of client.subscribe({ start: "earliest", endAtHead: true, maxDeliveries: 6 })) {
    events.push(event);
  }
  assert.deepEqual(
    events.map((event) => event.id),
    ids,
  );
  const payload = events[0]?.payload;
  assert.equal(payload?.case, "analysisCompleted");
  assert.equal(payload.value.resultCount, 7n);
});

test("types, filter, raw and start choose what comes", options, async (t) => {
  const gateway = await startGateway(t);
  await gateway.post(2);
  const [quota] = await gateway.post(1, { usage_percent: 95 }, "quota.warning");
  await gateway.post(1, { usage_percent: 10 }, "quota.warning");
  const client = connect(t, gateway.grpc);
  const events: Event[] = [];
  for await (const event of client.subscribe({
    types: ["quota.*"],
    filter: "event.quota_warning.usage_percent > 90.0",
    start: { time: new Date(Date.now() - 60_000) },
    includeRaw: true,
    endAtHead: true,
  })) {
    events.push(event);
  }
  assert.deepEqual(
    events.map((event) => event.id),
    [quota],
  );
  assert.match(Buffer.from(events[0]?.raw ?? []).toString(), /usage_percent":95/);
});

test("a refusal ends the subscription with its reason and metadata", options, async (t) => {
  const gateway = await startGateway(t);
  const client = connect(t, gateway.grpc);
  await assert.rejects(take(client.subscribe({ types: ["export.raedy"] })), (error) => {
    assert.ok(error instanceof StrawError);
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.equal(error.reason, "UNKNOWN_EVENT_TYPE");
    assert.equal(error.metadata.suggestion, "export.ready");
    assert.equal(error.retryable, false);
    return true;
  });
});

test("a connection that is cut within a frame is made anew, without a gap or a repeat", options, async (t) => {
  const gateway = await startGateway(t);
  const ids = await gateway.post(60, { query: "q".repeat(500) });
  const proxy = await startProxy(t, gateway.grpc, (connection) => ({ cutAfter: connection * 4_000 }));
  const client = connect(t, proxy.address);
  const disconnected: StrawError[] = [];
  const events = client.subscribe({
    start: "earliest",
    maxDeliveries: 10,
    hooks: { disconnected: (error) => disconnected.push(error) },
  });
  assert.deepEqual(await take(events, ids.length), ids);
  assert.ok(disconnected.length > 0);
  assert.ok(disconnected.every((error) => error.retryable && error.reason === ""));
});

test("a gateway that is killed is waited for", options, async (t) => {
  const gateway = await startGateway(t);
  const before = await gateway.post(5);
  const client = connect(t, gateway.grpc);
  const got: string[] = [];
  const rounds: (() => Promise<string[]>)[] = [
    async () => {
      await gateway.kill();
      await gateway.start();
      return gateway.post(5);
    },
    async () => {
      await gateway.terminate();
      await gateway.start();
      return gateway.post(5);
    },
  ];
  const wanted = [...before];
  for await (const event of client.subscribe({ start: "earliest" })) {
    got.push(event.id);
    if (got.length === wanted.length) {
      const next = rounds.shift();
      if (!next) {
        break;
      }
      wanted.push(...(await next()));
    }
  }
  assert.deepEqual(got, wanted);
});

test("a silent stream is given up, and the next connection is a new one", options, async (t) => {
  const gateway = await startGateway(t);
  const proxy = await startProxy(t, gateway.grpc);
  const client = connect(t, proxy.address);
  const disconnected: StrawError[] = [];
  const [first] = await gateway.post(1);
  const events = client.subscribe({
    start: "earliest",
    heartbeatIntervalMs: 1_000,
    hooks: { disconnected: (error) => disconnected.push(error) },
  });
  const got: (string | undefined)[] = [];
  for await (const event of events) {
    got.push(event.id);
    if (got.length === 2) {
      break;
    }
    proxy.hang();
    await gateway.post(1);
  }
  assert.deepEqual(got, [first, "evt_2"]);
  assert.equal(proxy.connections, 2);
  assert.match(disconnected[0]?.message ?? "", /no frame came in time/);
});

test("a signal ends a waiting loop with its reason", options, async (t) => {
  const gateway = await startGateway(t);
  const client = connect(t, gateway.grpc);
  const abort = new AbortController();
  const reason = new Error("enough");
  const events = client.subscribe(
    {
      hooks: {
        connected: () =>
          setImmediate(() => {
            abort.abort(reason);
          }),
      },
    },
    abort,
  );
  await assert.rejects(take(events), reason);
});

test("closing the client ends its subscriptions", options, async (t) => {
  const gateway = await startGateway(t);
  const client = connect(t, gateway.grpc);
  const events = client.subscribe({
    hooks: {
      connected: () =>
        setImmediate(() => {
          client.close();
        }),
    },
  });
  await assert.rejects(take(events), { code: "CANCELLED", message: "the client was closed" });
});

test("frames show the backlog, the heartbeat and the cursor", options, async (t) => {
  const gateway = await startGateway(t);
  await gateway.post(3);
  const client = connect(t, gateway.grpc);
  const backlogs: bigint[] = [];
  for await (const frame of client.frames({ start: "earliest", endAtHead: true, maxDeliveries: 2 })) {
    assert.notEqual(frame.cursor, "");
    backlogs.push(frame.backlog);
  }
  assert.equal(backlogs[0], 3n);
  assert.equal(backlogs.at(-1), 0n);
});
