import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileCursor, type CursorStore } from "../src/index.js";
import { connect, startGateway, take } from "./fixture.js";

const options = { timeout: 60_000 };

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "straw-cursor-"));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

test("a cursor file is replaced, and leaves nothing beside it", options, async (t) => {
  const path = join(await folder(t), "position");
  const store = fileCursor(path);
  assert.equal(await store.load(), undefined);
  await store.save("c1");
  await store.save("c2");
  assert.equal(await store.load(), "c2");
  assert.equal(await readFile(path, "utf8"), "c2\n");
  assert.deepEqual(await readdir(join(path, "..")), ["position"]);
});

test("a cursor file that is empty, or can't be written, is an error", options, async (t) => {
  const path = join(await folder(t), "position");
  await writeFile(path, "\n");
  await assert.rejects(fileCursor(path).load(), /is empty: the position in it was lost/);
  await assert.rejects(fileCursor(join(path, "missing", "position")).save("c1"), { code: "ENOTDIR" });
});

test("a subscription goes on after what was processed, and again with what wasn't", options, async (t) => {
  const gateway = await startGateway(t);
  const ids = await gateway.post(6);
  const client = connect(t, gateway.grpc);
  const cursorStore = fileCursor(join(await folder(t), "position"));
  const events = client.subscribe({ start: "earliest", endAtHead: true, cursorStore });
  const got: string[] = [];
  for await (const { id } of events) {
    got.push(id);
    if (id === ids[2]) {
      break;
    }
  }
  const failing = async () => {
    for await (const { id } of events) {
      got.push(id);
      if (id === ids[3]) {
        throw new Error("no database");
      }
    }
  };
  await assert.rejects(failing(), /no database/);
  got.push(...(await take(events)));
  assert.deepEqual(
    got,
    [0, 1, 2, 2, 3, 3, 4, 5].map((i) => ids[i]),
  );
  assert.deepEqual(await take(events), []);
});

test("the position is saved once per interval and at the end", options, async (t) => {
  const gateway = await startGateway(t);
  await gateway.post(100);
  const saved: string[] = [];
  const cursorStore: CursorStore = {
    load: () => Promise.resolve(undefined),
    save: (cursor) => {
      saved.push(cursor);
      return Promise.resolve();
    },
  };
  const client = connect(t, gateway.grpc);
  const began = Date.now();
  const cursors: string[] = [];
  for await (const { cursor } of client.subscribe({
    start: "earliest",
    endAtHead: true,
    cursorStore,
    cursorIntervalMs: 50,
  })) {
    cursors.push(cursor);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(saved.length >= 2 && saved.length <= (Date.now() - began) / 50 + 1, `${saved.length} saves`);
  assert.equal(saved.at(-1), cursors.at(-1));
});

test("a cursor store that fails ends the subscription", options, async (t) => {
  const gateway = await startGateway(t);
  await gateway.post(3);
  const client = connect(t, gateway.grpc);
  const broken = new Error("disk on fire");
  const load = () => Promise.resolve(undefined);
  const fail = () => Promise.reject(broken);
  await assert.rejects(take(client.subscribe({ cursorStore: { load: fail, save: load } })), broken);
  const saving = client.subscribe({ start: "earliest", endAtHead: true, cursorStore: { load, save: fail } });
  await assert.rejects(take(saving), broken);
});
