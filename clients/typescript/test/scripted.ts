// A gateway whose answers a test writes, for what the real one does rarely, or not yet. It speaks the real service definition.
import { once } from "node:events";
import { createSecureServer, createServer, type Http2Server, type SecureServerOptions } from "node:http2";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { v1, type StatusCode } from "../src/index.js";

type FrameInit = MessageInitShape<typeof v1.SubscribeResponseSchema>;

/** Answers a Subscribe; calls are numbered from 1. */
export type Script = (call: number, request: v1.SubscribeRequest) => AsyncIterable<FrameInit>;

export interface Scripted {
  address: string;
  requests: v1.SubscribeRequest[];
  /** The `authorization` of each call of GetStatus. */
  tokens: (string | null)[];
}

/** Serves a script until the test ends; over TLS with options. */
export async function serve(t: TestContext, script: Script, tls?: SecureServerOptions): Promise<Scripted> {
  const requests: v1.SubscribeRequest[] = [];
  const tokens: (string | null)[] = [];
  const events: Partial<ServiceImpl<typeof v1.EventService>> = {
    subscribe: (request) => script(requests.push(request), request),
  };
  const gateway: Partial<ServiceImpl<typeof v1.GatewayService>> = {
    getStatus: (_, context) => {
      tokens.push(context.requestHeader.get("authorization"));
      return { version: "v0.0.0" };
    },
  };
  const handler = connectNodeAdapter({
    routes: (router) => router.service(v1.EventService, events).service(v1.GatewayService, gateway),
  });
  const server: Http2Server = tls ? createSecureServer(tls, handler) : createServer(handler);
  const sessions = new Set<{ destroy: () => void }>();
  server.on("session", (session) => sessions.add(session));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const session of sessions) {
      session.destroy();
    }
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, requests, tokens };
}

/** A frame with the events of these numbers: `evt_1` has the cursor `c1`. */
export function frame(...numbers: number[]): FrameInit {
  return {
    cursor: `c${numbers.at(-1) ?? 0}`,
    deliveries: numbers.map((n) => ({ event: { id: `evt_${n}`, type: "search.alert", cursor: `c${n}` } })),
  };
}

/** Never ends by itself. */
export function forever(): Promise<never> {
  return new Promise(() => undefined);
}

/** An error as a gateway makes it; without a reason, as a proxy does. */
export function failure(code: StatusCode, reason?: string, metadata: Record<string, string> = {}): ConnectError {
  const name = code.replace(/(^|_)(.)([^_]*)/g, (_, __, first: string, rest: string) => first + rest.toLowerCase());
  const error = new ConnectError("what happened", Code[name.replace("Cancelled", "Canceled") as keyof typeof Code]);
  if (reason !== undefined) {
    const info = new BinaryWriter().tag(1, WireType.LengthDelimited).string(reason);
    info.tag(2, WireType.LengthDelimited).string("straw.v1");
    for (const [key, value] of Object.entries(metadata)) {
      info.tag(3, WireType.LengthDelimited).fork();
      info.tag(1, WireType.LengthDelimited).string(key).tag(2, WireType.LengthDelimited).string(value).join();
    }
    error.details.push({ type: "google.rpc.ErrorInfo", value: info.finish() });
  }
  return error;
}
