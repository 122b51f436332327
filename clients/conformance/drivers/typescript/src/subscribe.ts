import { setTimeout } from "node:timers/promises";
import { fileCursor, type Start, type StrawClient, type SubscribeOptions } from "@straw-gateway/client";
import type { Subscribe } from "./argument.js";
import { hooks, print, printEvent, printGap } from "./output.js";

export async function subscribe(client: StrawClient, argument: Subscribe, stopped: AbortController): Promise<void> {
  const { stop_after: stopAfter, leave_at: leaveAt, delay = 0 } = argument;
  let count = 0;
  try {
    for await (const event of client.subscribe(options(argument), stopped)) {
      printEvent(event);
      count++;
      if (count === leaveAt) {
        break;
      }
      if (delay > 0) {
        await setTimeout(delay);
      }
      if (count === stopAfter) {
        stopped.abort(); // once the loop asks for the next event, this one is processed
      }
    }
  } catch (error) {
    if (error !== stopped.signal.reason) {
      throw error;
    }
  }
  print({ end: true });
}

function options(argument: Subscribe): SubscribeOptions {
  const { types, filter, start } = argument;
  return {
    hooks,
    ...(types && { types }),
    ...(filter !== undefined && { filter }),
    ...(start !== undefined && { start: startOf(start) }),
    ...(argument.on_gap === "continue" && { onGap: printGap }),
    ...(argument.include_raw && { includeRaw: true }),
    ...(argument.end_at_head && { endAtHead: true }),
    ...(argument.heartbeat !== undefined && {
      heartbeatIntervalMs: argument.heartbeat,
    }),
    ...(argument.max_deliveries !== undefined && {
      maxDeliveries: argument.max_deliveries,
    }),
    ...(argument.cursor_file !== undefined && {
      cursorStore: fileCursor(argument.cursor_file),
    }),
    ...(argument.cursor_interval !== undefined && {
      cursorIntervalMs: argument.cursor_interval,
    }),
  };
}

function startOf(start: NonNullable<Subscribe["start"]>): Start {
  return typeof start === "object" && "time" in start ? { time: new Date(start.time) } : start;
}
