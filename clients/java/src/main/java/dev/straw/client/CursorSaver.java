package dev.straw.client;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Writes the newest position to a store, not at each change but within an interval of it: a crash
 * repeats no more than that, at the cost of one synced write a second.
 */
final class CursorSaver {
  private final CursorStore store;
  private final long intervalNanos;
  private final Workers workers;

  /** Held over a save: they keep their order. */
  private final ReentrantLock saving = new ReentrantLock();

  private final Object lock = new Object();
  private String pending = ""; // to be saved; empty when there is nothing
  private String saved = "";
  private boolean scheduled;
  private volatile RuntimeException failure;

  CursorSaver(CursorStore store, Duration interval, Workers workers) {
    this.store = store;
    this.intervalNanos = interval.toNanos();
    this.workers = workers;
  }

  String load() {
    try {
      saved = store.load();
      return saved;
    } catch (IOException e) {
      throw new UncheckedIOException("the saved cursor: " + e.getMessage(), e);
    }
  }

  /** Notes what is to be saved. */
  void note(String cursor) {
    synchronized (lock) {
      if (pending.isEmpty() && cursor.equals(saved)) {
        return;
      }
      pending = cursor;
      if (!scheduled) {
        scheduled = true;
        workers.schedule(this::saveInTime, intervalNanos, TimeUnit.NANOSECONDS);
      }
    }
  }

  private void saveInTime() {
    synchronized (lock) {
      scheduled = false;
    }
    save();
  }

  private void save() {
    // An interrupt is meant for the program's wait; a file channel would be closed by it.
    boolean interrupted = Thread.interrupted();
    saving.lock();
    try {
      String cursor = takePending();
      if (!cursor.isEmpty()) {
        store.save(cursor);
        synchronized (lock) {
          saved = cursor;
        }
      }
    } catch (IOException e) {
      failure = new UncheckedIOException("saving the cursor: " + e.getMessage(), e);
    } catch (RuntimeException e) {
      failure = e;
    } finally {
      saving.unlock();
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private String takePending() {
    synchronized (lock) {
      String cursor = pending;
      pending = "";
      return cursor;
    }
  }

  /** Throws what an earlier save has failed with, once. */
  void check() {
    RuntimeException e = failure;
    if (e != null) {
      failure = null;
      throw e;
    }
  }

  /** Saves what is pending. */
  void flush() {
    save();
    check();
  }
}
