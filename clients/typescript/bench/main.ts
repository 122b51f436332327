// Measures the client beside what is under it: `npm run bench`. STRAW_BENCH_EVENTS is how many events a replay has, and
// STRAW_BENCH_MEMORY_EVENTS how many pass while memory is watched.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { StrawClient, v1 } from "../src/index.js";
import { Gateway } from "../test/gateway.js";

const replayEvents = Number(process.env.STRAW_BENCH_EVENTS ?? 256_000);
const memoryEvents = Number(process.env.STRAW_BENCH_MEMORY_EVENTS ?? 10_000_000);
const durableEvents = 5_000;
const rounds = 3;

/** Starts the gateway that repeats itself. */
async function repeating(events: number): Promise<{ address: string; stop: () => void }> {
  const server = spawn(process.execPath, [join(import.meta.dirname, "gateway.js"), `${events}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [address] = (await once(createInterface(server.stdout), "line")) as [string];
  return { address, stop: () => server.kill() };
}

function bareClient<S extends typeof v1.EventService | typeof v1.SubscriptionService>(service: S, address: string) {
  return createClient(service, createGrpcTransport({ baseUrl: `http://${address}` }));
}

async function bareReplay(address: string): Promise<number> {
  let count = 0;
  for await (const frame of bareClient(v1.EventService, address).subscribe({ endAtHead: true })) {
    for (const { event } of frame.deliveries) {
      count += Number(event?.payload.case === "analysisCompleted");
    }
  }
  return count;
}

async function replay(address: string): Promise<number> {
  const client = new StrawClient(address);
  let count = 0;
  for await (const event of client.subscribe({ start: "earliest", endAtHead: true })) {
    count += Number(event.payload.case === "analysisCompleted");
  }
  client.close();
  return count;
}

/** Consumes with nothing but the stub: a frame, then an ack for all of it. */
async function bareConsume(address: string, subscription: string): Promise<number> {
  const events = bareClient(v1.EventService, address);
  const subscriptions = bareClient(v1.SubscriptionService, address);
  const end = new AbortController();
  let count = 0;
  for await (const { deliveries } of events.subscribe({ subscriptionId: subscription, maxOutstanding: 1_000 }, end)) {
    if (deliveries.length > 0) {
      await subscriptions.acknowledge({ subscriptionId: subscription, ackIds: deliveries.map(({ ackId }) => ackId) });
      count += deliveries.length;
    }
    if (count === durableEvents) {
      break;
    }
  }
  end.abort();
  return count;
}

async function consume(address: string, subscription: string): Promise<number> {
  const client = new StrawClient(address);
  const stop = new AbortController();
  let count = 0;
  const settled = () => {
    if (++count === durableEvents) {
      stop.abort();
    }
  };
  await client.consume({ subscription, concurrency: 500, signal: stop.signal, hooks: { settled } }, () => undefined);
  client.close();
  return count;
}

function median(list: number[]): number {
  return list.sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;
}

/** Runs by turns, so that whatever else the machine does meets both, and prints the medians. */
async function compare(what: string, bare: () => Promise<number>, own: () => Promise<number>): Promise<void> {
  const rates: [number[], number[]] = [[], []];
  const costs: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    for (const [i, run] of [bare, own].entries()) {
      const began = performance.now();
      const used = process.cpuUsage();
      const events = await run();
      const { user, system } = process.cpuUsage(used);
      if (round > 0) {
        rates[i]?.push((events / (performance.now() - began)) * 1_000); // the first round warms up
        costs[i]?.push((user + system) / events);
      }
    }
  }
  const [a, b] = [median(rates[0]), median(rates[1])];
  const [cpuA, cpuB] = [median(costs[0]), median(costs[1])];
  console.log(
    `${what}: ${a.toFixed(0)} events/s bare, ${b.toFixed(0)} events/s with the client, ratio ${(b / a).toFixed(2)}; CPU ${cpuA.toFixed(2)} and ${cpuB.toFixed(2)} µs an event`,
  );
}

async function replays(): Promise<void> {
  const { address, stop } = await repeating(replayEvents);
  await compare(
    "replay",
    () => bareReplay(address),
    () => replay(address),
  );
  stop();
}

async function durable(): Promise<void> {
  const gateway = await Gateway.start();
  const manager = new StrawClient(gateway.grpc);
  for (let posted = 0; posted < durableEvents; posted += 50) {
    await gateway.postAtOnce(50);
  }
  let number = 0;
  const subscribe = async (): Promise<string> => {
    const id = `bench-${++number}`;
    const start = { case: "startPosition", value: v1.StartPosition.EARLIEST } as const;
    await manager.subscriptions.createSubscription({ subscription: { id, start } });
    return id;
  };
  await compare(
    "durable, with acks",
    async () => bareConsume(gateway.grpc, await subscribe()),
    async () => consume(gateway.grpc, await subscribe()),
  );
  manager.close();
  await gateway.remove();
}

async function memory(): Promise<void> {
  const { address, stop } = await repeating(memoryEvents);
  const client = new StrawClient(address);
  const heaps: number[] = [];
  let count = 0;
  for await (const event of client.subscribe({ start: "earliest", endAtHead: true })) {
    count += Number(event.id !== "");
    if (count % Math.floor(memoryEvents / 10) === 0) {
      globalThis.gc?.();
      heaps.push(process.memoryUsage().heapUsed / 2 ** 20);
    }
  }
  client.close();
  stop();
  const list = heaps.map((heap) => heap.toFixed(1)).join(" ");
  console.log(
    `memory over ${count} events: MiB of heap after each tenth ${list}; RSS ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`,
  );
}

await replays();
await durable();
await memory();
