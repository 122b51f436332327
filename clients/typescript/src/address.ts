/** Where a gateway listens for gRPC unless told otherwise. */
export const DEFAULT_ADDRESS = "127.0.0.1:9090";

/**
 * A gateway's address, taken apart.
 *
 * @internal
 */
export interface Address {
  /** `host:port`; an IPv6 host in brackets. */
  authority: string;
  /** Says whether it is this machine. */
  loopback: boolean;
}

/**
 * Takes `host:port` apart.
 *
 * @internal
 */
export function parseAddress(address: string): Address {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s/@:[\]]+):(\d{1,5})$/.exec(address);
  if (!match || Number(match[2]) > 65535) {
    throw new TypeError(`gateway address ${JSON.stringify(address)} isn't host:port, such as ${DEFAULT_ADDRESS}`);
  }
  const host = (match[1] ?? "").toLowerCase();
  return {
    authority: address,
    loopback: host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host),
  };
}
