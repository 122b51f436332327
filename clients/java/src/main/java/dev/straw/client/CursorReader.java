package dev.straw.client;

import dev.straw.v1.SubscribeResponse;

/**
 * The frames of a subscription in cursor mode, and how far they are processed. One thread reads;
 * any may close.
 */
final class CursorReader implements AutoCloseable {
  private final SubscribeOptions options;
  private final FrameSource source;
  private final CursorSaver saver; // null without a store
  private final Runnable forget;
  private boolean loaded;

  CursorReader(
      GatewayChannel channel, Workers workers, Registry registry, SubscribeOptions options) {
    this.options = options;
    forget = registry.add(this::close);
    source = new FrameSource(channel, options.request(), options.hooks());
    saver =
        options.cursorStore() == null
            ? null
            : new CursorSaver(options.cursorStore(), options.cursorInterval(), workers);
  }

  /**
   * Waits for the next frame; null at the end, when the position is saved. A gap has been handled
   * when its frame comes.
   */
  SubscribeResponse next() {
    boolean done = false;
    try {
      load();
      SubscribeResponse frame = source.next();
      if (frame != null && frame.hasGap()) {
        options.gapHandler().accept(frame.getGap());
      }
      done = frame != null;
      return frame;
    } finally {
      if (!done) {
        finish();
      }
    }
  }

  private void load() {
    if (saver == null) {
      return;
    }
    if (!loaded) {
      loaded = true;
      source.processed(saver.load());
    }
    saver.check();
  }

  private void finish() {
    source.stop();
    if (saver != null) {
      saver.flush();
    }
  }

  /** Notes that everything up to a cursor is processed. */
  void processed(String cursor) {
    if (cursor.isEmpty()) {
      return;
    }
    source.processed(cursor);
    if (saver != null) {
      saver.note(cursor);
    }
  }

  boolean isStopped() {
    return source.isStopped();
  }

  void stop() {
    source.stop();
  }

  @Override
  public void close() {
    source.close();
    forget.run();
    if (saver != null) {
      saver.flush();
    }
  }
}
