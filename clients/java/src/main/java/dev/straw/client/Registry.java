package dev.straw.client;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** What is open, and is to be closed with the client. */
final class Registry implements AutoCloseable {
  private final Set<Runnable> closers = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  /** Adds what closes a resource; returns what is to be called when it was closed by itself. */
  Runnable add(Runnable close) {
    if (closed) {
      throw new IllegalStateException("the client was closed");
    }
    closers.add(close);
    return () -> closers.remove(close);
  }

  /** Closes all, and throws what the first one that failed has thrown. */
  @Override
  public void close() {
    closed = true;
    RuntimeException failure = null;
    for (Runnable close : closers) {
      try {
        close.run();
      } catch (RuntimeException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
