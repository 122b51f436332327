import type { Interceptor } from "@connectrpc/connect";
import type { SecureClientSessionOptions } from "node:http2";

/** A bearer token, or a function that is asked for one at each call and should cache. */
export type Token = string | (() => string | Promise<string>);

/** TLS as `node:tls` names it. `cert` and `key` make it mutual. */
export type TlsOptions = Pick<
  SecureClientSessionOptions,
  "ca" | "cert" | "key" | "passphrase" | "pfx" | "servername" | "checkServerIdentity" | "minVersion"
>;

/** How a client connects. */
export interface ClientOptions {
  /**
   * `true`: TLS with Node's roots. An object: TLS with your roots, or mutual TLS. `false`: plaintext, for a network that is
   * trusted end to end. Default: plaintext to a loopback address, TLS to anything else.
   */
  tls?: boolean | TlsOptions;
  /**
   * Sent as a bearer token with every call. Refused in plaintext beyond this machine. A function that throws fails the call
   * with `UNAUTHENTICATED`.
   */
  token?: Token;
  /** Interceptors of `@connectrpc/connect` for each call, such as tracing. */
  interceptors?: Interceptor[];
}
