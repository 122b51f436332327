import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { jitter, sleep } from "./backoff.js";
import type { Channel } from "./channel.js";
import { StrawError, toStrawError } from "./error.js";
import type { DownloadExportResponse } from "./gen/straw/v1/export_service_pb.js";
import { Scope } from "./scope.js";

// So many connections in a row may fail without a byte.
const maxFailures = 8;

/** How to download an export. */
export interface DownloadOptions {
  /**
   * What an earlier download has brought, such as `createReadStream(path)`: it is read to its end and the download goes on after
   * it. It is summed up with the rest, so that the checksum is that of the whole file.
   */
  resume?: AsyncIterable<Uint8Array>;
  /** Ends the download with its reason. */
  signal?: AbortSignal;
}

/**
 * An export's bytes, to be iterated once. Its end means that the whole file came and that its SHA-256 is right; until then
 * nothing of it should be used. It goes on by itself after a lost connection.
 *
 * Errors beside those of the call: `DATA_LOSS` if the bytes are not those that the gateway stored, `ABORTED` if a newer
 * generation has taken the export's place: begin anew.
 */
export class Download implements AsyncIterable<Uint8Array> {
  readonly #hash = createHash("sha256");
  readonly #scope: Scope;
  #call = new AbortController();
  #stream: AsyncIterator<DownloadExportResponse> | undefined;
  #first: Uint8Array | undefined;
  #offset = 0;
  #size = 0;
  #sha256 = "";
  #failures = 0;

  private constructor(
    private readonly channel: Channel,
    private readonly id: string,
    signals: (AbortSignal | undefined)[],
  ) {
    this.#scope = new Scope(...signals);
    this.#scope.signal.addEventListener("abort", () => {
      this.#call.abort();
    });
  }

  /** @internal */
  static async begin(channel: Channel, id: string, options: DownloadOptions, closed: AbortSignal): Promise<Download> {
    const download = new Download(channel, id, [options.signal, closed]);
    try {
      for await (const bytes of options.resume ?? []) {
        download.#hash.update(bytes);
        download.#offset += bytes.length;
      }
      download.#first = await download.#receive();
      return download;
    } catch (error) {
      download.#scope.end();
      throw error;
    }
  }

  /** The whole file's size in bytes. */
  get size(): number {
    return this.#size;
  }

  /** The whole file's SHA-256 in lower-case hex, as the gateway has it. */
  get sha256(): string {
    return this.#sha256;
  }

  /** The bytes as a stream of Node. */
  readable(): Readable {
    return Readable.from(this, { objectMode: false });
  }

  /** Yields the bytes in order. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let data = this.#first ?? (await this.#receive()); ; data = await this.#receive()) {
        this.#first = undefined;
        this.#hash.update(data);
        this.#offset += data.length;
        if (data.length > 0) {
          yield data;
        }
        if (this.#offset >= this.#size) {
          break;
        }
      }
      this.#verify();
    } finally {
      this.#scope.end();
    }
  }

  #verify(): void {
    const sum = this.#hash.digest("hex");
    if (sum !== this.#sha256) {
      throw new StrawError("DATA_LOSS", `the downloaded bytes' checksum is ${sum} instead of ${this.#sha256}`);
    }
  }

  /** Gets the next bytes, over as many connections as that takes. */
  async #receive(): Promise<Uint8Array> {
    for (;;) {
      this.#scope.signal.throwIfAborted();
      const piece = await this.#receiveOnce();
      if (piece) {
        this.#failures = 0;
        return this.#take(piece);
      }
      await sleep(jitter(this.#failures), this.#scope.signal);
    }
  }

  /** Returns a piece; undefined if the connection was lost. Throws what a retry can't help. */
  async #receiveOnce(): Promise<DownloadExportResponse | undefined> {
    try {
      this.#stream ??= this.#connect();
      const result = await this.#stream.next();
      if (result.done) {
        throw new StrawError("UNAVAILABLE", "the stream ended before the file did");
      }
      return result.value;
    } catch (thrown) {
      this.#scope.signal.throwIfAborted();
      const error = toStrawError(thrown);
      this.#call.abort();
      this.#stream = undefined;
      if (!error.retryable || ++this.#failures === maxFailures) {
        throw error;
      }
      return undefined;
    }
  }

  #connect(): AsyncIterator<DownloadExportResponse> {
    this.#call = new AbortController();
    const request = { id: this.id, offset: BigInt(this.#offset) };
    return this.channel.exports.downloadExport(request, { signal: this.#call.signal })[Symbol.asyncIterator]();
  }

  #take(piece: DownloadExportResponse): Uint8Array {
    if (this.#sha256 !== "" && this.#sha256 !== piece.sha256) {
      throw new StrawError("ABORTED", `export ${this.id} was fetched anew while it was downloaded; begin anew`);
    }
    if (Number(piece.offset) !== this.#offset) {
      throw new StrawError(
        "DATA_LOSS",
        `the gateway sent byte ${piece.offset} of export ${this.id} instead of ${this.#offset}`,
      );
    }
    this.#sha256 = piece.sha256;
    this.#size = Number(piece.totalBytes);
    return piece.data;
  }
}
