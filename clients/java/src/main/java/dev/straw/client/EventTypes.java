package dev.straw.client;

/**
 * The types of event that this version of the client knows. Types are an open set: compare, but
 * don't rely on the list. To tell what an event says, switch on {@code event.getPayloadCase()}: an
 * event of a known type is {@code UNRECOGNIZED} if its body was malformed.
 */
public final class EventTypes {
  /** A people-search analysis finished. */
  public static final String ANALYSIS_COMPLETED = "analysis.completed";

  /** A dataset has new records. */
  public static final String DATASET_UPDATED = "dataset.updated";

  /** An export can be downloaded from Juicebox, for one hour. */
  public static final String EXPORT_READY = "export.ready";

  /** The account nears, or has reached, its quota. */
  public static final String QUOTA_WARNING = "quota.warning";

  /** A saved search matched new candidates. */
  public static final String SEARCH_ALERT = "search.alert";

  /** The gateway holds an export, whether or not Juicebox's link still lives. */
  public static final String EXPORT_STORED = "straw.export.stored";

  /** The gateway couldn't fetch an export and has given up. */
  public static final String EXPORT_FAILED = "straw.export.failed";

  /** The type of an event whose own type couldn't be read. */
  public static final String UNRECOGNIZED = "straw.unrecognized";

  private EventTypes() {}
}
