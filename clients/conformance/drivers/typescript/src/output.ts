// What the driver tells the runner: JSON objects, one a line.
import { StrawError, v1, type Event, type Gap, type Hooks } from "@straw-gateway/client";

export function print(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

export function printEvent(event: Event): void {
  print({
    event: event.id,
    type: event.type,
    payload: v1.EventSchema.fields.find((field) => field.localName === event.payload.case)?.name ?? "",
    cursor: event.cursor,
    ...(event.raw.length > 0 && { raw: true }),
  });
}

export function printGap({ requested, oldest }: Gap): void {
  print({ gap: { requested, oldest } });
}

export function printError(error: unknown): void {
  if (error instanceof StrawError) {
    print({
      error: {
        code: error.code,
        reason: error.reason,
        metadata: error.metadata,
      },
    });
  } else {
    console.error(error);
    print({
      error: {
        code: error instanceof TypeError ? "INVALID_ARGUMENT" : "UNKNOWN",
        reason: "",
        metadata: {},
      },
    });
  }
}

/** Tells of connections. */
export const hooks: Hooks = {
  connected: () => {
    print({ connected: true });
  },
  disconnected: (error) => {
    console.error(error.toString());
    print({ disconnected: error.reason });
  },
};
