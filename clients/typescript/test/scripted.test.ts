import assert from "node:assert/strict";
import { test } from "node:test";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { v1, type Event, type StatusCode, type StrawError } from "../src/index.js";
import { connect, take } from "./fixture.js";
import { failure, forever, frame, serve } from "./scripted.js";

const options = { timeout: 60_000 };

test("a payload of a newer gateway arrives as an event without one", options, async (t) => {
  const alert = new BinaryWriter().tag(1, WireType.LengthDelimited).string("x").finish();
  const unknown = [{ no: 25, wireType: WireType.LengthDelimited, data: new Uint8Array([alert.length, ...alert]) }];
  const { address } = await serve(t, async function* () {
    const event = { id: "evt_1", type: "candidate.moved", cursor: "c1", $unknown: unknown };
    yield { cursor: "c0", features: ["time-travel"], $unknown: unknown };
    yield { cursor: "c1", deliveries: [{ event }] };
    await forever();
  });
  const events: Event[] = [];
  for await (const event of connect(t, address).subscribe()) {
    events.push(event);
    break;
  }
  assert.equal(events[0]?.type, "candidate.moved");
  assert.deepEqual(events[0].payload, { case: undefined });
});

test("a gateway that goes away is left alone for as long as it asked", options, async (t) => {
  const { address, requests } = await serve(t, async function* (call) {
    yield frame();
    if (call === 1) {
      yield frame(1);
      yield { cursor: "c1", goingAway: { retryDelay: durationFromMs(700) } };
      throw failure("UNAVAILABLE", "DRAINING");
    }
    yield frame(2);
    await forever();
  });
  const waits: [string, number][] = [];
  const disconnected = (error: StrawError, retryInMs: number) => waits.push([error.reason, retryInMs]);
  assert.deepEqual(await take(connect(t, address).subscribe({ hooks: { disconnected } }), 2), ["evt_1", "evt_2"]);
  assert.equal(waits[0]?.[0], "DRAINING");
  assert.ok(waits[0][1] >= 700 && waits[0][1] <= 800, `${waits[0][1]}`);
  assert.deepEqual(requests[1]?.start, { case: "after", value: "c1" });
});

test("what comes after a cursor that has expired is a gap, in place of the lost events", options, async (t) => {
  const { address } = await serve(t, async function* (_, { onGap }) {
    yield frame(1);
    if (onGap === v1.OnGap.FAIL) {
      throw failure("OUT_OF_RANGE", "CURSOR_EXPIRED", { oldest: "c7" });
    }
    yield { cursor: "c7", gap: { requested: "c1", oldest: "c7" } };
    yield frame(8);
    await forever();
  });
  const client = connect(t, address);
  await assert.rejects(take(client.subscribe()), {
    code: "OUT_OF_RANGE",
    reason: "CURSOR_EXPIRED",
    metadata: { oldest: "c7" },
  });
  const seen: string[] = [];
  const onGap = async (gap: v1.Gap) => {
    await Promise.resolve();
    seen.push(`${gap.requested} to ${gap.oldest}`);
  };
  for await (const event of client.subscribe({ onGap })) {
    seen.push(event.id);
    if (event.id === "evt_8") {
      break;
    }
  }
  assert.deepEqual(seen, ["evt_1", "c1 to c7", "evt_8"]);
  const gaps: string[] = [];
  for await (const { gap, cursor } of client.frames({ onGap: "continue" })) {
    gaps.push(gap?.oldest ?? "");
    if (cursor === "c8") {
      break;
    }
  }
  assert.deepEqual(gaps, ["", "c7", ""]);
});

test("a gap that the program can't take ends the subscription, and is told again", options, async (t) => {
  const { address, requests } = await serve(t, async function* () {
    yield frame(1);
    yield { cursor: "c7", gap: { requested: "c1", oldest: "c7" } };
    await forever();
  });
  let saved = "";
  const cursorStore = {
    load: () => Promise.resolve(saved || undefined),
    save: (cursor: string) => {
      saved = cursor;
      return Promise.resolve();
    },
  };
  const onGap = () => {
    throw new Error("not now");
  };
  await assert.rejects(take(connect(t, address).subscribe({ onGap, cursorStore })), /not now/);
  assert.equal(saved, "c1");
  assert.equal(requests.length, 1);
});

test("a stream that ends without a reason is made anew", options, async (t) => {
  const { address } = await serve(t, async function* (call) {
    yield frame();
    yield frame(call);
  });
  assert.deepEqual(await take(connect(t, address).subscribe(), 3), ["evt_1", "evt_2", "evt_3"]);
});

test("too many streams: an error at first, patience once it was connected", options, async (t) => {
  const { address } = await serve(t, async function* (call) {
    if (call === 1 || call === 3) {
      throw failure("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS", { limit: "1" });
    }
    yield frame();
    yield frame(call);
  });
  const client = connect(t, address);
  await assert.rejects(take(client.subscribe()), { reason: "TOO_MANY_STREAMS", metadata: { limit: "1" } });
  assert.deepEqual(await take(client.subscribe(), 2), ["evt_2", "evt_4"]);
});

for (const [code, reason, retried] of [
  ["UNAVAILABLE", undefined, true],
  ["UNAVAILABLE", "STORE_UNAVAILABLE", true],
  ["INTERNAL", undefined, true],
  ["UNKNOWN", undefined, true],
  ["ABORTED", undefined, true],
  ["CANCELLED", undefined, true],
  ["DEADLINE_EXCEEDED", undefined, true],
  ["INTERNAL", "STORE_CORRUPT", false],
  ["ABORTED", "ETAG_MISMATCH", false],
  ["DATA_LOSS", "STORE_CORRUPT", false],
  ["PERMISSION_DENIED", undefined, false],
  ["UNAUTHENTICATED", undefined, false],
  ["UNIMPLEMENTED", undefined, false],
  ["RESOURCE_EXHAUSTED", undefined, false],
] as [StatusCode, string | undefined, boolean][]) {
  test(`${code} ${reason ?? "of the transport"} is ${retried ? "tried again" : "final"}`, options, async (t) => {
    const { address } = await serve(t, async function* (call) {
      yield frame();
      if (call === 1) {
        throw failure(code, reason);
      }
      yield frame(1);
      await forever();
    });
    const taken = take(connect(t, address).subscribe(), 1);
    if (retried) {
      assert.deepEqual(await taken, ["evt_1"]);
    } else {
      await assert.rejects(taken, { code, reason: reason ?? "" });
    }
  });
}

test("calls of next that don't wait for each other keep their order", options, async (t) => {
  const { address } = await serve(t, async function* () {
    yield frame(1, 2);
    yield frame(3, 4);
    await forever();
  });
  const iterator = connect(t, address).subscribe()[Symbol.asyncIterator]();
  const results = await Promise.all([1, 2, 3, 4].map(() => iterator.next()));
  assert.deepEqual(
    results.map((result) => (result.done ? "done" : result.value.id)),
    ["evt_1", "evt_2", "evt_3", "evt_4"],
  );
  const waiting = iterator.next();
  await iterator.return?.();
  await assert.rejects(waiting, { name: "AbortError" });
  assert.deepEqual(await iterator.next(), { done: true, value: undefined });
});
