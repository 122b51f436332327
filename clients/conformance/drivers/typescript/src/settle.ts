import { v1, type StrawClient } from "@straw-gateway/client";
import type { Settle } from "./argument.js";
import { print } from "./output.js";

type Results = { results: { status: v1.AckResult_Status }[] };

export async function settle(client: StrawClient, argument: Settle, stopped: AbortController): Promise<void> {
  const { subscription: subscriptionId, count, acks } = argument;
  const request = { subscriptionId, maxOutstanding: count };
  const deliveries: v1.Delivery[] = [];
  for await (const frame of client.events.subscribe(request, {
    signal: stopped.signal,
  })) {
    deliveries.push(...frame.deliveries);
    if (deliveries.length >= count) {
      // In the loop, for leaving it ends the stream, and gives back what isn't settled.
      print({
        deliveries: deliveries.slice(0, count).map(({ event }) => event?.id),
      });
      for (const { do: what, ids } of acks) {
        const ackIds = ids.map((id) => (typeof id === "number" ? (deliveries[id]?.ackId ?? "") : id));
        const { results } = await call(client, what, {
          subscriptionId,
          ackIds,
        });
        print({
          results: results.map(({ status }) => v1.AckResult_Status[status]),
        });
      }
      break;
    }
  }
  print({ end: true });
}

function call(client: StrawClient, what: "ack" | "nack" | "extend", request: object): Promise<Results> {
  switch (what) {
    case "ack":
      return client.subscriptions.acknowledge(request);
    case "nack":
      return client.subscriptions.nack(request);
    case "extend":
      return client.subscriptions.extendDeadline(request);
  }
}
