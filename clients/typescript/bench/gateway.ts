// A gateway in a process of its own that sends the same frames again and again, made once: what it costs is the transport, so that
// what is measured is the client.
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { v1 } from "../src/index.js";

const eventsPerFrame = 128;

type FrameInit = Parameters<typeof create<typeof v1.SubscribeResponseSchema>>[1];

/** A frame with gRPC's prefix. */
function envelope(init: FrameInit): Buffer {
  const bytes = toBinary(v1.SubscribeResponseSchema, create(v1.SubscribeResponseSchema, init));
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

function someEvents(): FrameInit {
  const deliveries = Array.from({ length: eventsPerFrame }, (_, i) => ({
    event: {
      id: `evt_01HZX${String(i).padStart(20, "0")}`,
      type: "analysis.completed",
      source: "juicebox",
      cursor: `AcfG${String(i).padStart(28, "0")}`,
      receiveTime: timestampNow(),
      createTime: timestampNow(),
      payload: {
        case: "analysisCompleted",
        value: { analysisId: `ana_${i}`, resultCount: BigInt(i), query: "senior rust engineers in Lisbon" },
      } as const,
    },
  }));
  return { deliveries, cursor: "AcfG" + "1".repeat(28), backlog: 1_000_000n };
}

function* frames(events: number): Generator<Buffer> {
  yield envelope({ cursor: `AcfG${"0".repeat(28)}`, heartbeatInterval: durationFromMs(15_000) });
  const frame = envelope(someEvents());
  for (let sent = 0; sent < events; sent += eventsPerFrame) {
    yield frame;
  }
}

const events = Number(process.argv[2]);
const server = createServer();
server.on("stream", (stream) => {
  stream.on("error", () => undefined); // a client that has enough
  stream.resume();
  stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => {
    stream.sendTrailers({ "grpc-status": "0" });
  });
  Readable.from(frames(events), { objectMode: false }).pipe(stream);
});
server.listen(0, "127.0.0.1", () => {
  console.log(`127.0.0.1:${(server.address() as AddressInfo).port}`);
});
