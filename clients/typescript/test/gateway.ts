// A real gateway for the tests: the binary that STRAW_BINARY names, or one built from this repository.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const secret = "a secret of the tests";
const repository = join(import.meta.dirname, "../../../..");

/** Returns the path of the gateway's program. */
async function binary(): Promise<string> {
  const named = process.env.STRAW_BINARY;
  if (named) {
    return named;
  }
  const path = join(repository, "clients/typescript/.build/straw");
  if (!existsSync(path)) {
    await promisify(execFile)("go", ["build", "-o", path, "./server/cmd/straw"], { cwd: repository });
  }
  return path;
}

/** A gateway with a store of its own, which outlives its kills. Its addresses stay the same over restarts. */
export class Gateway {
  grpc = "127.0.0.1:0";
  webhook = "127.0.0.1:0";
  http = "127.0.0.1:0";
  #process: ChildProcess | undefined;
  #log: string[] = [];
  #posted = 0;

  private constructor(
    private readonly folder: string,
    private readonly flags: string[],
  ) {}

  static async start(...flags: string[]): Promise<Gateway> {
    const gateway = new Gateway(await mkdtemp(join(tmpdir(), "straw-")), flags);
    await gateway.start();
    return gateway;
  }

  async start(): Promise<void> {
    this.#process = spawn(
      await binary(),
      [
        ...[
          "serve",
          "--webhook-secret",
          secret,
          "--store",
          `pebble:${this.folder}`,
          "--blobs",
          `file:${this.folder}/exports`,
        ],
        ...["--grpc-addr", this.grpc, "--webhook-addr", this.webhook, "--http-addr", this.http],
        ...this.flags,
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    await this.#addresses(this.#process);
  }

  /** Appends events by signed webhooks and returns their ids, in their order. */
  async post(count: number, data: Record<string, unknown> = {}, type = "analysis.completed"): Promise<string[]> {
    const ids = Array.from({ length: count }, () => `evt_${++this.#posted}`);
    for (const id of ids) {
      await this.postBody(JSON.stringify({ id, type, data: { analysis_id: `an_${id}`, ...data } }));
    }
    return ids;
  }

  /** Appends events without an order among them. */
  async postAtOnce(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.post(1)));
  }

  async postBody(body: string): Promise<void> {
    const answer = await fetch(`http://${this.webhook}/webhooks/juicebox`, {
      method: "POST",
      body,
      headers: { "x-juicebox-signature": createHmac("sha256", secret).update(body).digest("hex") },
    });
    if (!answer.ok) {
      throw new Error(`the gateway answered a webhook with ${answer.status}: ${await answer.text()}`);
    }
    await answer.arrayBuffer();
  }

  /** Ends the process at once, as a crash does. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Drains the gateway. */
  async terminate(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (process?.exitCode === null && process.signalCode === null) {
      const exit = once(process, "exit");
      process.kill(signal);
      await exit;
    }
  }

  async #addresses(process: ChildProcess): Promise<void> {
    const { stderr } = process;
    if (!stderr) {
      throw new Error("the gateway has no stderr");
    }
    const found = new Map<string, string>();
    await new Promise<void>((resolve, reject) => {
      process.once("error", reject);
      process.once("exit", () => {
        reject(new Error(`the gateway ended:\n${this.#log.join("\n")}`));
      });
      createInterface(stderr).on("line", (line) => {
        this.#log.push(line);
        const [, listener, address] = /listener=(\w+) addr=(\S+)/.exec(line) ?? [];
        if (listener && address && found.set(listener, address).size === 3) {
          resolve();
        }
      });
    });
    this.grpc = found.get("grpc") ?? "";
    this.webhook = found.get("webhook") ?? "";
    this.http = found.get("http") ?? "";
  }
}
