// The README's programs, run as they stand there: only the gateway's address is the test's own.
import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { test, type TestContext } from "node:test";
import typescript from "typescript";
import { startGateway } from "./fixture.js";

const root = join(import.meta.dirname, "../..");
const options = { timeout: 60_000 };

/** Returns the README's n-th TypeScript program. */
async function program(n: number): Promise<string> {
  const text = await readFile(join(root, "README.md"), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```/gms)][n]?.[1] ?? "";
}

class Program {
  readonly #process: ChildProcessByStdio<null, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(folder: string) {
    this.#process = spawn(process.execPath, ["program.js"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  /** Returns the next so many lines. */
  async lines(count: number): Promise<string[]> {
    const lines: string[] = [];
    while (lines.length < count) {
      const next = await this.#lines.next();
      if (next.done) {
        throw new Error(`the program ended after ${lines.join(", ")}`);
      }
      lines.push(next.value);
    }
    return lines;
  }

  end(signal: NodeJS.Signals): Promise<number | null> {
    return new Promise((resolve) => {
      this.#process.once("exit", resolve).kill(signal);
    });
  }
}

/** Makes a folder with the program in it; the package resolves from there as it does for who has installed it. */
async function prepare(t: TestContext, n: number, address: string): Promise<string> {
  const folder = join(root, ".build", `readme-${n}`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  t.after(() => rm(folder, { recursive: true }));
  const source = await program(n);
  assert.ok(source.includes("127.0.0.1:9090"));
  const file = join(folder, "program.ts");
  await writeFile(file, source.replace("127.0.0.1:9090", address));
  const read = typescript.readConfigFile(join(root, "tsconfig.json"), (path) => typescript.sys.readFile(path));
  const { options: settings } = typescript.parseJsonConfigFileContent(read.config, typescript.sys, root);
  const checked = typescript.createProgram([file], { ...settings, noEmit: false, rootDir: folder, outDir: folder });
  const { emitSkipped } = checked.emit();
  const problems = typescript.getPreEmitDiagnostics(checked);
  assert.deepEqual(
    problems.map(({ messageText }) => messageText),
    [],
  );
  assert.ok(!emitSkipped);
  return folder;
}

test("the quickstart prints each event once, over kills of the gateway and of itself", options, async (t) => {
  const gateway = await startGateway(t);
  const folder = await prepare(t, 0, gateway.grpc);
  const first = await gateway.post(3);
  await gateway.postBody('{"id":"odd","type":"candidate.moved","data":{}}');
  let running = new Program(folder);
  assert.deepEqual(await running.lines(4), [
    ...first.map((id) => `analysis.completed ${id}`),
    `candidate.moved odd This gateway doesn't know the type "candidate.moved".`,
  ]);
  await gateway.kill();
  await gateway.start();
  const [second] = await gateway.post(1);
  assert.deepEqual(await running.lines(1), [`analysis.completed ${second}`]);
  await running.end("SIGKILL");
  const [third] = await gateway.post(1);
  running = new Program(folder);
  const rest = await running.lines(1);
  while (rest.at(-1) !== `analysis.completed ${third}`) {
    rest.push(...(await running.lines(1))); // what came in the last second before the kill comes again
  }
  await running.end("SIGKILL");
});

test("the durable consumer handles what it is sent, and drains when it is told to end", options, async (t) => {
  const gateway = await startGateway(t);
  const folder = await prepare(t, 1, gateway.grpc);
  await gateway.post(1, {}, "quota.warning");
  const [id] = await gateway.post(1);
  const running = new Program(folder);
  assert.deepEqual(await running.lines(1), [`analysis.completed ${id} 1`]);
  assert.equal(await running.end("SIGTERM"), 0);
});
