// The driver of the TypeScript client: carries out what the runner tells it, with the public API alone. ../../README.md says what
// it is told and what it prints.
import { StrawClient, verifySignature } from "@straw-gateway/client";
import { parseArgument, type Argument, type Consume, type Fetch, type Get, type Manage } from "./argument.js";
import type { Settle, Subscribe, Verify } from "./argument.js";
import { consume } from "./consume.js";
import { download } from "./download.js";
import { manage } from "./manage.js";
import { print, printError, printEvent } from "./output.js";
import { settle } from "./settle.js";
import { subscribe } from "./subscribe.js";

async function perform(client: StrawClient, { op, rest }: Argument, stopped: AbortController): Promise<void> {
  switch (op) {
    case "subscribe":
      return subscribe(client, rest as Subscribe, stopped);
    case "consume":
      return consume(client, rest as Consume, stopped);
    case "settle":
      return settle(client, rest as Settle, stopped);
    case "manage":
      return manage(client, rest as Manage);
    case "download":
      return download(client, rest as Fetch, stopped);
    case "get":
      printEvent(await client.events.getEvent(rest as Get));
      return;
    case "verify": {
      const { body, header, secrets } = rest as Verify;
      print({
        valid: verifySignature(Buffer.from(body, "base64"), header, ...secrets),
      });
      return;
    }
    case "status":
      print({ version: (await client.gateway.getStatus({})).version });
  }
}

const argument = parseArgument(process.argv[2]);
const stopped = new AbortController();
process.stdin.resume().once("end", () => {
  stopped.abort();
});
const client = new StrawClient(argument.address);
try {
  await perform(client, argument, stopped);
} catch (error) {
  printError(error);
} finally {
  client.close();
  process.stdin.destroy();
}
