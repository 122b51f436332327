// What most tests need: a gateway, a proxy before it and a client, which end with the test.
import type { TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import { StrawClient, type ClientOptions, type Event } from "../src/index.js";
import { Gateway } from "./gateway.js";
import { Proxy, type Treatment } from "./proxy.js";

/** Starts a gateway that is removed after the test. */
export async function startGateway(t: TestContext, ...flags: string[]): Promise<Gateway> {
  const gateway = await Gateway.start(...flags);
  t.after(() => gateway.remove());
  return gateway;
}

/** Starts a proxy that is closed after the test. */
export async function startProxy(t: TestContext, target: string, treat?: (n: number) => Treatment): Promise<Proxy> {
  const proxy = await Proxy.start(target, treat);
  t.after(() => proxy.close());
  return proxy;
}

/** Makes a client that is closed after the test. */
export function connect(t: TestContext, address: string, options?: ClientOptions): StrawClient {
  const client = new StrawClient(address, options);
  t.after(() => {
    client.close();
  });
  return client;
}

/** Takes the ids of the first so many events, the last one processed; all until the end without a number. */
export async function take(events: AsyncIterable<Event>, count = Infinity): Promise<string[]> {
  const ids: string[] = [];
  const iterator = events[Symbol.asyncIterator]();
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    ids.push(next.value.id);
    if (ids.length >= count) {
      void iterator.next().catch(() => undefined);
      break;
    }
  }
  await iterator.return?.();
  return ids;
}

/** A promise and the function that resolves it. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open!: (value: T) => void;
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

/** Asks again and again, for half a minute, until the answer is yes. */
export async function eventually(ask: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await ask())) {
    if (Date.now() > deadline) {
      throw new Error("it didn't happen within half a minute");
    }
    await setTimeout(5);
  }
}
