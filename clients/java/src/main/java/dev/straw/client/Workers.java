package dev.straw.client;

import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A client's threads: one timer, which never runs anything that could wait, and those that do the
 * work. They are daemons, for none of them is worth keeping a program alive.
 */
final class Workers implements AutoCloseable {
  private final ScheduledExecutorService timer;
  private final Executor executor;
  private final ExecutorService own; // null if the program has given an executor

  Workers(Executor given) {
    timer =
        new ScheduledThreadPoolExecutor(
            1, daemons("straw-timer-"), new ThreadPoolExecutor.DiscardPolicy());
    own = given == null ? Executors.newCachedThreadPool(daemons("straw-worker-")) : null;
    executor = given == null ? own : given;
  }

  private static ThreadFactory daemons(String prefix) {
    AtomicInteger count = new AtomicInteger();
    return task -> {
      Thread thread = new Thread(task, prefix + count.incrementAndGet());
      thread.setDaemon(true);
      return thread;
    };
  }

  void execute(Runnable task) {
    executor.execute(task);
  }

  /** Has a worker run the task after a delay; never, if the client is closed before. */
  void schedule(Runnable task, long delay, TimeUnit unit) {
    timer.schedule(() -> executor.execute(task), delay, unit);
  }

  @Override
  public void close() {
    timer.shutdownNow();
    if (own != null) {
      own.shutdown();
    }
  }
}
