import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { v1, type AckStatus, type Delivery, type StrawClient } from "../src/index.js";
import { connect, eventually, gate, startGateway, startProxy } from "./fixture.js";
import type { Gateway } from "./gateway.js";

const options = { timeout: 60_000 };
const subscription = "orders";

async function create(client: StrawClient, how: MessageInitShape<typeof v1.SubscriptionSchema> = {}): Promise<void> {
  const start = { case: "startPosition", value: v1.StartPosition.EARLIEST } as const;
  await client.subscriptions.createSubscription({ subscription: { id: subscription, start, ...how } });
}

async function backlog(client: StrawClient): Promise<bigint> {
  return (await client.subscriptions.getSubscription({ id: subscription })).backlog;
}

/** A gateway with a subscription, and a client of it. */
async function prepare(t: TestContext, how?: MessageInitShape<typeof v1.SubscriptionSchema>) {
  const gateway: Gateway = await startGateway(t);
  const client = connect(t, gateway.grpc);
  await create(client, how);
  return { gateway, client };
}

/** Notes confirmations, and stops once there are enough. */
function confirmations(enough: number) {
  const confirmed = new Map<string, AckStatus>();
  const stop = new AbortController();
  const settled = (delivery: Delivery, status: AckStatus) => {
    confirmed.set(delivery.event.id, status);
    if (confirmed.size === enough) {
      stop.abort();
    }
  };
  return { confirmed, stop, settled, signal: stop.signal };
}

test("every delivery is handled, acknowledged and confirmed, so many at once", options, async (t) => {
  const { gateway, client } = await prepare(t);
  const ids = await gateway.post(50);
  const { confirmed, settled, signal } = confirmations(50);
  let running = 0;
  let most = 0;
  await client.consume({ subscription, concurrency: 4, signal, hooks: { settled } }, async () => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running--;
  });
  assert.deepEqual([...confirmed.keys()].sort(), ids.sort());
  assert.deepEqual(new Set(confirmed.values()), new Set(["ACKED"]));
  assert.equal(most, 4);
  assert.equal(await backlog(client), 0n);
});

test("acks are gathered into few calls", options, async (t) => {
  const { gateway } = await prepare(t);
  await gateway.post(200);
  let calls = 0;
  const counting = connect(t, gateway.grpc, {
    interceptors: [
      (next) => (request) => {
        calls += Number(request.method.name === "Acknowledge");
        return next(request);
      },
    ],
  });
  const { settled, signal } = confirmations(200);
  await counting.consume({ subscription, concurrency: 100, signal, hooks: { settled } }, () => undefined);
  assert.ok(calls <= 40, `${calls} calls for 200 acks`);
});

test("a handler that throws gives the event back, until it is dead-lettered with the reason", options, async (t) => {
  const retryBackoff = { min: durationFromMs(1), max: durationFromMs(1) };
  const { gateway, client } = await prepare(t, { maxAttempts: 3, retryBackoff });
  const [id] = await gateway.post(1);
  const attempts: number[] = [];
  const failures: unknown[] = [];
  const stop = new AbortController();
  const done = client.consume(
    { subscription, signal: stop.signal, hooks: { failed: (_, error) => failures.push(error) } },
    ({ attempt }) => {
      attempts.push(attempt);
      throw new Error("no such customer");
    },
  );
  await eventually(
    async () => (await client.subscriptions.listDeadLetters({ subscriptionId: subscription })).deadLetters.length > 0,
  );
  stop.abort();
  await done;
  const { deadLetters } = await client.subscriptions.listDeadLetters({ subscriptionId: subscription });
  assert.deepEqual(
    deadLetters.map(({ event, reason }) => `${event?.id} ${reason}`),
    [`${id} no such customer`],
  );
  assert.deepEqual(attempts, [1, 2, 3]);
  assert.equal(failures.length, 3);
});

test("a handler may settle by itself: retry, release and dead-letter", options, async (t) => {
  const { gateway, client } = await prepare(t);
  const [retried, released, dead] = await gateway.post(3);
  const stop = new AbortController();
  const statuses: AckStatus[] = [];
  const settled = (_: Delivery, status: AckStatus) => {
    statuses.push(status);
    if (statuses.length === 5) {
      stop.abort();
    }
  };
  const handled: string[] = [];
  await client.consume({ subscription, signal: stop.signal, hooks: { settled } }, async (delivery) => {
    const { event, attempt } = delivery;
    handled.push(`${event.id}/${attempt}`);
    if (event.id === dead) {
      assert.equal(await delivery.nack({ deadLetter: true, reason: "r".repeat(2_000) }), "ACKED");
    } else if (attempt === 1) {
      assert.equal(await delivery.nack(event.id === retried ? { retryDelayMs: 50 } : { release: true }), "ACKED");
    }
  });
  assert.deepEqual(
    handled.sort(),
    [`${retried}/1`, `${retried}/2`, `${released}/1`, `${released}/2`, `${dead}/1`].sort(),
  );
  assert.deepEqual(statuses, Array<AckStatus>(5).fill("ACKED"));
  const { deadLetters } = await client.subscriptions.listDeadLetters({ subscriptionId: subscription });
  assert.deepEqual(
    deadLetters.map(({ event, reason }) => `${event?.id} ${reason.length}`),
    [`${dead} 1024`],
  );
});

test("the deadline is extended while a handler runs", options, async (t) => {
  const { gateway, client } = await prepare(t, { ackDeadline: durationFromMs(1_000) });
  await gateway.post(1);
  const { confirmed, settled, signal } = confirmations(1);
  const attempts: number[] = [];
  let extended = 0;
  const extending = connect(t, gateway.grpc, {
    interceptors: [
      (next) => (request) => {
        extended += Number(request.method.name === "ExtendDeadline");
        return next(request);
      },
    ],
  });
  await extending.consume({ subscription, signal, hooks: { settled } }, async ({ attempt }) => {
    attempts.push(attempt);
    await eventually(() => Promise.resolve(extended >= 6)); // two seconds
  });
  assert.deepEqual(attempts, [1]);
  assert.deepEqual([...confirmed.values()], ["ACKED"]);
  assert.equal(await backlog(client), 0n);
});

test("a drain lets handlers end, confirms their acks, and gives the rest back", options, async (t) => {
  const { gateway, client } = await prepare(t);
  const ids = await gateway.post(20);
  const stop = new AbortController();
  const begun = gate();
  const handled: string[] = [];
  const confirmed: string[] = [];
  const settled = (delivery: Delivery, status: AckStatus) => confirmed.push(`${delivery.event.id} ${status}`);
  const done = client.consume(
    { subscription, concurrency: 2, signal: stop.signal, hooks: { settled } },
    async (delivery) => {
      handled.push(delivery.event.id);
      if (handled.length === 2) {
        begun.open();
      }
      await new Promise((resolve) => {
        delivery.signal.addEventListener("abort", resolve);
      });
    },
  );
  await begun.promise;
  stop.abort();
  await done;
  assert.deepEqual(handled, ids.slice(0, 2));
  assert.deepEqual(
    confirmed,
    handled.map((id) => `${id} ACKED`),
  );
  const rest = confirmations(18);
  const again: string[] = [];
  await client.consume({ subscription, signal: rest.signal, hooks: { settled: rest.settled } }, ({ event }) => {
    again.push(event.id);
  });
  assert.deepEqual(again.sort(), ids.slice(2).sort());
});

test("a drain is bounded, and tells what it left", options, async (t) => {
  const { gateway, client } = await prepare(t);
  await gateway.post(1);
  const stop = new AbortController();
  const never = gate();
  await assert.rejects(
    client.consume({ subscription, signal: stop.signal, drainTimeoutMs: 50 }, () => {
      stop.abort();
      return never.promise;
    }),
    { code: "DEADLINE_EXCEEDED", message: "1 events were not settled within 50 ms; they were given back" },
  );
  never.open();
  const { settled, signal } = confirmations(1);
  await client.consume({ subscription, signal, hooks: { settled } }, () => undefined);
});

test("acks are repeated over a lost connection until they are confirmed", options, async (t) => {
  const { gateway, client } = await prepare(t);
  const ids = await gateway.post(40);
  const proxy = await startProxy(t, gateway.grpc, (connection) => ({ cutAfter: connection * 1_500 }));
  const { confirmed, settled, signal } = confirmations(40);
  await connect(t, proxy.address).consume(
    { subscription, concurrency: 3, signal, hooks: { settled } },
    () => undefined,
  );
  assert.deepEqual([...confirmed.keys()].sort(), ids.sort());
  assert.ok([...confirmed.values()].every((status) => status === "ACKED" || status === "ALREADY_ACKED"));
  assert.ok(proxy.connections > 1);
  assert.equal(await backlog(client), 0n);
});

test("what a killed gateway had sent is settled once it is back", options, async (t) => {
  const { gateway, client } = await prepare(t);
  const ids = await gateway.post(10);
  const { confirmed, settled, signal } = confirmations(10);
  const killed = gate();
  let first = true;
  await client.consume({ subscription, concurrency: 2, signal, hooks: { settled } }, async () => {
    if (first) {
      first = false;
      await gateway.kill();
      await gateway.start();
      killed.open();
    }
    await killed.promise;
  });
  assert.deepEqual([...confirmed.keys()].sort(), ids.sort());
  assert.equal(await backlog(client), 0n);
});

test("a loop over deliveries settles by itself and drains", options, async (t) => {
  const { gateway, client } = await prepare(t);
  const ids = await gateway.post(10);
  const stop = new AbortController();
  const statuses: AckStatus[] = [];
  for await (const delivery of client.deliveries({ subscription, concurrency: 3, signal: stop.signal })) {
    statuses.push(await delivery.ack());
    if (delivery.event.id === ids.at(-1)) {
      stop.abort();
    }
  }
  assert.deepEqual(statuses, Array<AckStatus>(10).fill("ACKED"));
});

test("leaving the loop gives back what isn't settled", options, async (t) => {
  const { gateway, client } = await prepare(t, { maxInFlight: 1 });
  const [id] = await gateway.post(1);
  for await (const delivery of client.deliveries({ subscription })) {
    assert.equal(delivery.event.id, id);
    break;
  }
  const { confirmed, settled, signal } = confirmations(1);
  await client.consume({ subscription, signal, hooks: { settled } }, () => undefined);
  assert.deepEqual([...confirmed], [[id, "ACKED"]]);
});

test("a subscription that doesn't exist, or is deleted, ends the consumer", options, async (t) => {
  const { client } = await prepare(t);
  const missing = { code: "NOT_FOUND", reason: "SUBSCRIPTION_NOT_FOUND" };
  await assert.rejects(
    client.consume({ subscription: "nobody" }, () => undefined),
    missing,
  );
  let deleted: Promise<unknown> | undefined;
  const connected = () => {
    deleted = client.subscriptions.deleteSubscription({ id: subscription });
  };
  await assert.rejects(
    client.consume({ subscription, hooks: { connected } }, () => undefined),
    missing,
  );
  await deleted;
});
