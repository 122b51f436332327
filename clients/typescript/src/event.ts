import type { SubscribeResponse } from "./gen/straw/v1/event_service_pb.js";

export type {
  AnalysisCompleted,
  DatasetUpdated,
  Event,
  ExportFailed,
  ExportReady,
  ExportStored,
  QuotaWarning,
  SearchAlert,
  Unrecognized,
} from "./gen/straw/v1/event_pb.js";
export type { Gap, GoingAway } from "./gen/straw/v1/event_service_pb.js";

/** One message of the stream: events, how far the log was read, and what is left of it. */
export type Frame = SubscribeResponse;

/**
 * The types of event that this version of the client knows. Types are an open set: compare, but don't rely on the list.
 *
 * To dispatch, switch on `event.payload.case` and not on `event.type`: an event of a known type is `unrecognized` if its
 * body was malformed, and the case is `undefined` for a payload that is newer than this client.
 */
export const EventType = {
  /** A people-search analysis finished. */
  AnalysisCompleted: "analysis.completed",
  /** A dataset has new records. */
  DatasetUpdated: "dataset.updated",
  /** An export can be downloaded from Juicebox, for one hour. */
  ExportReady: "export.ready",
  /** The account nears, or has reached, its quota. */
  QuotaWarning: "quota.warning",
  /** A saved search matched new candidates. */
  SearchAlert: "search.alert",
  /** The gateway holds an export. */
  ExportStored: "straw.export.stored",
  /** The gateway couldn't fetch an export and has given up. */
  ExportFailed: "straw.export.failed",
  /** The type of an event whose own type couldn't be read. */
  Unrecognized: "straw.unrecognized",
} as const;

/** A type of event that this version of the client knows. */
export type EventType = (typeof EventType)[keyof typeof EventType];
