import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import type { ConsumeOptions, Delivery, StrawClient } from "@straw-gateway/client";
import type { Action, Consume } from "./argument.js";
import { hooks, print, printGap } from "./output.js";

export async function consume(client: StrawClient, argument: Consume, stopped: AbortController): Promise<void> {
  let confirmed = 0;
  const options: ConsumeOptions = {
    subscription: argument.subscription,
    signal: stopped.signal,
    onGap: printGap,
    ...(argument.concurrency !== undefined && {
      concurrency: argument.concurrency,
    }),
    hooks: {
      ...hooks,
      settled: (delivery, status) => {
        print({ done: delivery.event.id, status });
        if (++confirmed === argument.stop_after) {
          stopped.abort();
        }
      },
    },
  };
  if (argument.form === "iterator") {
    for await (const delivery of client.deliveries(options)) {
      void iterated(delivery, argument);
    }
  } else {
    await client.consume(options, (delivery) => work(delivery, argument));
  }
  print({ end: true });
}

/** Settles by itself what consume settles for a handler. */
async function iterated(delivery: Delivery, argument: Consume): Promise<void> {
  try {
    await work(delivery, argument);
    void delivery.ack();
  } catch (error) {
    void delivery.nack({
      reason: error instanceof Error ? error.message : String(error),
    });
  }
}

async function work(delivery: Delivery, argument: Consume): Promise<void> {
  print({ event: delivery.event.id, attempt: delivery.attempt });
  if (argument.work) {
    await setTimeout(argument.work);
  }
  const { handler = {} } = argument;
  await act(delivery, handler[delivery.event.id] ?? handler["default"] ?? "ack");
}

async function act(delivery: Delivery, action: Action): Promise<void> {
  if (typeof action === "object") {
    void delivery.nack({ retryDelayMs: action.retry_delay });
    return;
  }
  switch (action) {
    case "ack":
      return;
    case "fail":
      throw new Error("told to fail");
    case "dead_letter":
      void delivery.nack({ deadLetter: true });
      return;
    case "release":
      void delivery.nack({ release: true });
      return;
    case "hang":
      if (!delivery.signal.aborted) {
        await once(delivery.signal, "abort");
      }
  }
}
