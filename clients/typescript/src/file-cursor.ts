import { randomBytes } from "node:crypto";
import { open, readFile, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import type { CursorStore } from "./cursor.js";

/**
 * Returns a cursor store in a file of its own, replaced atomically and synced. Its folder must exist. Two subscriptions must
 * not share a file. A file that is there but empty is an error: the position in it was lost.
 *
 * @param path - the file's path
 */
export function fileCursor(path: string): CursorStore {
  return {
    load: () => load(path),
    save: (cursor) => save(path, cursor),
  };
}

async function load(path: string): Promise<string | undefined> {
  let content: string;
  try {
    content = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
  const cursor = content.trim();
  if (cursor === "") {
    throw new Error(`cursor file ${path} is empty: the position in it was lost; remove the file to begin anew`);
  }
  return cursor;
}

async function save(path: string, cursor: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeSynced(temporary, `${cursor}\n`);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

async function writeSynced(path: string, content: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a rename in the folder durable. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") {
    return; // where a folder can't be opened, and NTFS journals the rename
  }
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
