// A TCP proxy that misbehaves when told to.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** What happens to the bytes from the gateway to the client on a connection. */
export interface Treatment {
  /** Both sides are reset after so many bytes. */
  cutAfter?: number;
  /** Nothing more is passed after so many bytes, and nothing closed. */
  hangAfter?: number;
}

export class Proxy {
  connections = 0;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #hanging = new Set<Socket>();

  private constructor(
    private readonly target: string,
    private readonly treat: (connection: number) => Treatment,
  ) {
    this.#server = createServer((client) => {
      this.#accept(client);
    });
  }

  /** @param treat - is asked for each connection, with its number from 1 */
  static async start(target: string, treat: (connection: number) => Treatment = () => ({})): Promise<Proxy> {
    const proxy = new Proxy(target, treat);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resets every connection. */
  cut(): void {
    for (const socket of this.#open) {
      socket.resetAndDestroy();
    }
  }

  /** Passes nothing more on the connections that are open, in neither direction. */
  hang(): void {
    for (const socket of this.#open) {
      this.#hanging.add(socket);
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await closed;
  }

  #accept(client: Socket): void {
    const [host, port] = this.target.split(":");
    const server = connect(Number(port), host);
    const how = this.treat(++this.connections);
    this.#track(client, server);
    this.#track(server, client);
    client.on("data", (bytes) => {
      if (!this.#hanging.has(client)) {
        server.write(bytes);
      }
    });
    let passed = 0;
    server.on("data", (bytes) => {
      passed += bytes.length;
      if (how.hangAfter !== undefined && passed > how.hangAfter) {
        this.#hanging.add(server);
      }
      if (this.#hanging.has(server)) {
        return;
      }
      if (how.cutAfter !== undefined && passed > how.cutAfter) {
        client.write(bytes.subarray(0, bytes.length - (passed - how.cutAfter)), () => {
          client.destroySoon();
          server.destroy();
        });
        server.pause();
        return;
      }
      client.write(bytes);
    });
  }

  #track(socket: Socket, other: Socket): void {
    this.#open.add(socket);
    socket.on("error", () => undefined); // how a side ended makes no difference
    socket.on("close", () => {
      this.#open.delete(socket);
      this.#hanging.delete(socket);
      other.destroy();
    });
  }
}
