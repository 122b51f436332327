import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { CursorStore } from "./cursor.js";
import type { Gap } from "./event.js";
import { OnGap, StartPosition, type SubscribeRequestSchema } from "./gen/straw/v1/event_service_pb.js";
import type { Hooks } from "./hooks.js";

/**
 * Where a subscription begins: with the oldest event that the gateway still has, with what is appended from now on, strictly
 * after a cursor, or with the first event that was received at or after a time, which must not be in the future. An empty
 * cursor is refused by the gateway: it is more likely a position that was lost than one that never was.
 */
export type Start = "earliest" | "latest" | { after: string } | { time: Date };

/** What to stream, and from where. Without options, everything that is appended from now on. */
export interface StreamOptions {
  /** Event types: exact, `*`, or with a trailing `.*` for one or more segments. Empty means all. */
  types?: string[];
  /** Accept types that look like a misspelled known one. */
  allowUnseenTypes?: boolean;
  /** A CEL expression over `event` that must be true. */
  filter?: string;
  /** Where to begin when there is no cursor store, or when it holds nothing yet. Default `"latest"`. */
  start?: Start;
  /** Fill `event.raw` with the webhook's body. */
  includeRaw?: boolean;
  /** End after what existed when the subscription began; after a reconnect, what existed then. */
  endAtHead?: boolean;
  /**
   * How often the gateway sends a frame at least, in milliseconds: 1,000 to 60,000, default 15,000. After two and a half missed
   * ones the subscription reconnects.
   */
  heartbeatIntervalMs?: number;
  /** Bounds the events of one frame. Default 256. */
  maxDeliveries?: number;
  /**
   * Holds the position over restarts of the program: read once at the beginning, when it counts over `start`, and written within
   * `cursorIntervalMs` of a change and at the end. A program that stores what it made of the events should rather store
   * `event.cursor` with it, in one transaction, and begin with `{ after: cursor }`.
   */
  cursorStore?: CursorStore;
  /** Bounds how long a position goes unsaved, and so how much is repeated after a crash. Default 1,000. */
  cursorIntervalMs?: number;
  /** Told what the subscription does. */
  hooks?: Hooks;
}

/** What to subscribe to, event by event. */
export interface SubscribeOptions extends StreamOptions {
  /**
   * What to do when retention has removed what comes next. `"fail"` (default): end with a StrawError of reason
   * `CURSOR_EXPIRED`. A function: it is called with the gap in place of the lost events and awaited, then the subscription goes
   * on from the oldest event. What it throws ends the subscription; the gap is then told again with the next.
   */
  onGap?: "fail" | ((gap: Gap) => void | Promise<void>);
}

/** What to subscribe to, frame by frame. */
export interface FramesOptions extends StreamOptions {
  /**
   * What to do when retention has removed what comes next. `"fail"` (default): end with a StrawError of reason
   * `CURSOR_EXPIRED`. `"continue"`: a frame with `gap` comes in place of the lost events, then it goes on from the oldest.
   */
  onGap?: "fail" | "continue";
}

type Request = MessageInitShape<typeof SubscribeRequestSchema>;

/**
 * Puts options into the gateway's words.
 *
 * @internal
 */
export function subscribeRequest(options: SubscribeOptions | FramesOptions): Request {
  const { types, allowUnseenTypes, filter, start, includeRaw, endAtHead, heartbeatIntervalMs, maxDeliveries } = options;
  return {
    ...(types && { types }),
    ...(allowUnseenTypes && { allowUnseenTypes }),
    ...(filter !== undefined && { filter }),
    ...(start && { start: startField(start) }),
    ...(includeRaw && { includeRaw }),
    ...(endAtHead && { endAtHead }),
    ...(heartbeatIntervalMs !== undefined && { heartbeatInterval: durationFromMs(heartbeatIntervalMs) }),
    ...(maxDeliveries !== undefined && { maxDeliveriesPerResponse: maxDeliveries }),
    onGap: options.onGap === undefined || options.onGap === "fail" ? OnGap.FAIL : OnGap.CONTINUE,
  };
}

function startField(start: Start): NonNullable<Request["start"]> {
  if (start === "earliest") {
    return { case: "startPosition", value: StartPosition.EARLIEST };
  }
  if (start === "latest") {
    return { case: "startPosition", value: StartPosition.LATEST };
  }
  return "after" in start
    ? { case: "after", value: start.after }
    : { case: "startTime", value: timestampFromDate(start.time) };
}
