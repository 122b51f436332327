// What the runner tells the driver. Durations are in milliseconds.

export interface Subscribe {
  types?: string[];
  filter?: string;
  start?: "earliest" | "latest" | { after: string } | { time: string };
  on_gap?: "fail" | "continue";
  include_raw?: boolean;
  end_at_head?: boolean;
  heartbeat?: number;
  max_deliveries?: number;
  cursor_file?: string;
  cursor_interval?: number;
  /** Leave after so many events, the last one processed. */
  stop_after?: number;
  /** Leave while processing the event with this number, from 1. */
  leave_at?: number;
  /** Work on each event for so long. */
  delay?: number;
}

export type Action = "ack" | "fail" | "dead_letter" | "release" | "hang" | { retry_delay: number };

export interface Consume {
  subscription: string;
  concurrency?: number;
  /** How long each handler works. */
  work?: number;
  /** What handlers do, by event id or `default`. */
  handler?: Record<string, Action>;
  form?: "handler" | "iterator";
  /** Drain once so many were confirmed. */
  stop_after?: number;
}

export interface Settle {
  subscription: string;
  count: number;
  acks: { do: "ack" | "nack" | "extend"; ids: (number | string)[] }[];
}

export interface Manage {
  subscription: string;
  types?: string[];
}

export interface Fetch {
  export: string;
  file: string;
  resume?: boolean;
}

export interface Get {
  id: string;
}

export interface Verify {
  body: string;
  header: string;
  secrets: string[];
}

const members: Record<string, readonly string[]> = {
  subscribe: [
    ...["types", "filter", "start", "on_gap", "include_raw", "end_at_head", "heartbeat", "max_deliveries"],
    ...["cursor_file", "cursor_interval", "stop_after", "leave_at", "delay"],
  ],
  consume: ["subscription", "concurrency", "work", "handler", "form", "stop_after"],
  settle: ["subscription", "count", "acks"],
  manage: ["subscription", "types"],
  download: ["export", "file", "resume"],
  get: ["id"],
  verify: ["body", "header", "secrets"],
  status: [],
};

export interface Argument {
  op: string;
  address: string;
  rest: unknown;
}

/** Takes the argument apart. Throws for an op or a member that isn't known. */
export function parseArgument(text: string | undefined): Argument {
  const { op, address, ...rest } = JSON.parse(text ?? "{}") as {
    op: string;
    address: string;
  };
  const known = members[op];
  if (!known) {
    throw new Error(`there is no op ${JSON.stringify(op)}`);
  }
  const unknown = Object.keys(rest).filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new Error(`${op} has no ${unknown.join(", ")}`);
  }
  return { op, address, rest };
}
