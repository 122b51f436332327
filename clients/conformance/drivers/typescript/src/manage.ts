import { v1, type StrawClient } from "@straw-gateway/client";
import type { Manage } from "./argument.js";
import { print } from "./output.js";

export async function manage(client: StrawClient, argument: Manage): Promise<void> {
  const { subscriptions } = client;
  const { subscription: id, types = [] } = argument;
  print({
    created: (await subscriptions.createSubscription({ subscription: { id, types } })).id,
  });
  print({ got: (await subscriptions.getSubscription({ id })).id });
  print({ listed: await list(client) });
  for (const paused of [true, false]) {
    const updated = await subscriptions.updateSubscription({
      subscription: { id, paused },
      updateMask: { paths: ["paused"] },
    });
    print({ paused: updated.paused });
  }
  const { owedCount } = await subscriptions.seekSubscription({
    subscriptionId: id,
    start: { case: "startPosition", value: v1.StartPosition.EARLIEST },
    dryRun: true,
  });
  print({ owed: Number(owedCount) });
  await subscriptions.deleteSubscription({ id });
  print({ deleted: true });
  await subscriptions.getSubscription({ id });
}

/** Returns the ids of all pages. */
async function list(client: StrawClient): Promise<string[]> {
  const ids: string[] = [];
  let pageToken = "";
  do {
    const page = await client.subscriptions.listSubscriptions({
      pageSize: 2,
      pageToken,
    });
    ids.push(...page.subscriptions.map(({ id }) => id));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return ids;
}
