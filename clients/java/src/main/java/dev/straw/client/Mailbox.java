package dev.straw.client;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * Runs a call's callbacks in the thread that reads the call, when that asks for them: messages are
 * decoded there, and nothing is handed from thread to thread.
 */
final class Mailbox implements Executor {
  private final BlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();
  private boolean detached;

  @Override
  public void execute(Runnable task) {
    synchronized (this) {
      if (!detached) {
        tasks.add(task);
        return;
      }
    }
    task.run();
  }

  /** Runs the next task. False if none came in time. */
  boolean runNext(long nanos) throws InterruptedException {
    Runnable task = tasks.poll(nanos, TimeUnit.NANOSECONDS);
    if (task == null) {
      return false;
    }
    task.run();
    return true;
  }

  /** Ends a wait that is going on, or the next one. */
  void wake() {
    execute(() -> {});
  }

  /**
   * Runs what is there and, from now on, what comes at once: only so a call's buffers are released.
   */
  void detach() {
    synchronized (this) {
      detached = true;
    }
    for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
      task.run();
    }
  }
}
