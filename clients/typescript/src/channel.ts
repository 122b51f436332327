import { createClient, Code, ConnectError, type Client, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { parseAddress } from "./address.js";
import { typed } from "./typed-client.js";
import { EventService } from "./gen/straw/v1/event_service_pb.js";
import { ExportService } from "./gen/straw/v1/export_service_pb.js";
import { GatewayService } from "./gen/straw/v1/gateway_service_pb.js";
import { SubscriptionService } from "./gen/straw/v1/subscription_service_pb.js";
import type { ClientOptions, Token } from "./options.js";

// Admits an event of the largest size (3 MiB) with room to spare.
const readMaxBytes = 8 << 20;

/**
 * One HTTP/2 connection to the gateway, opened with the first call and again when it is lost, and the clients of the gateway's
 * services on it.
 *
 * @internal
 */
export interface Channel {
  readonly events: Client<typeof EventService>;
  readonly subscriptions: Client<typeof SubscriptionService>;
  readonly exports: Client<typeof ExportService>;
  readonly gateway: Client<typeof GatewayService>;
  /** Ends the connection and its calls. Idempotent. */
  close(): void;
}

/**
 * Checks the options and returns what makes channels with them.
 *
 * @internal
 */
export function channelFactory(address: string, options: ClientOptions): () => Channel {
  const { authority, loopback } = parseAddress(address);
  const { tls = !loopback, token, interceptors = [] } = options;
  if (token !== undefined && tls === false && !loopback) {
    throw new TypeError(`a token sent to ${address} without TLS could be read on the way; connect with TLS`);
  }
  const baseUrl = `${tls === false ? "http" : "https"}://${authority}`;
  const http2Options = typeof tls === "object" ? { ...tls } : undefined;
  const allInterceptors = token === undefined ? interceptors : [bearer(token), ...interceptors];
  return () => {
    // Heartbeats tell a dead stream; pings are for calls that are waiting, and for connections that a NAT has dropped.
    const sessions = new Http2SessionManager(baseUrl, { pingIntervalMs: 30_000, pingTimeoutMs: 10_000 }, http2Options);
    const transport = createGrpcTransport({
      baseUrl,
      sessionManager: sessions,
      interceptors: allInterceptors,
      acceptCompression: [],
      readMaxBytes,
    });
    return {
      events: typed(createClient(EventService, transport), EventService),
      subscriptions: typed(createClient(SubscriptionService, transport), SubscriptionService),
      exports: typed(createClient(ExportService, transport), ExportService),
      gateway: typed(createClient(GatewayService, transport), GatewayService),
      close: () => {
        sessions.abort(new ConnectError("the connection was closed", Code.Canceled));
      },
    };
  };
}

function bearer(token: Token): Interceptor {
  return (next) => async (request) => {
    let value: string;
    try {
      value = typeof token === "function" ? await token() : token;
    } catch (error) {
      throw new ConnectError("the source of the token failed", Code.Unauthenticated, undefined, undefined, error);
    }
    request.header.set("authorization", `Bearer ${value}`);
    return next(request);
  };
}
