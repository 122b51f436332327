package dev.straw.client;

import dev.straw.v1.Event;
import dev.straw.v1.SubscribeResponse;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * Events in log order, each once, over as many connections as that takes. Use it in a {@code try}
 * with resources and iterate over it once:
 *
 * <pre>{@code
 * try (EventStream events = client.subscribe(options)) {
 *   for (Event event : events) {
 *     handle(event);
 *   }
 * }
 * }</pre>
 *
 * <p>An event counts as processed when the next one is asked for. Leaving the loop by {@code
 * break}, {@code return} or an exception leaves the event unprocessed, and it comes again with the
 * next subscription that goes on from the saved cursor; {@link #markProcessed} is for leaving after
 * it.
 *
 * <p>For one thread, apart from {@link #close}.
 */
public final class EventStream implements Iterator<Event>, Iterable<Event>, AutoCloseable {
  private final CursorReader reader;
  private SubscribeResponse frame = SubscribeResponse.getDefaultInstance();
  private int index; // of the next event in the frame
  private Event current; // was returned, and isn't processed yet

  EventStream(CursorReader reader) {
    this.reader = reader;
  }

  /**
   * Waits for the next event. The one before is processed.
   *
   * @return whether there is one; false after the end that was asked for, and once the stream was
   *     closed
   * @throws StrawException what reconnecting can't help, or the thread was interrupted; the stream
   *     has ended
   * @throws java.io.UncheckedIOException what the cursor store has thrown; the stream has ended
   */
  @Override
  public boolean hasNext() {
    markProcessed();
    while (index == frame.getDeliveriesCount() || reader.isStopped()) {
      if (index == frame.getDeliveriesCount()) {
        reader.processed(frame.getCursor());
      }
      frame = SubscribeResponse.getDefaultInstance();
      index = 0;
      SubscribeResponse next = reader.next();
      if (next == null) {
        return false;
      }
      frame = next;
    }
    return true;
  }

  /**
   * Waits for the next event, as {@link #hasNext} does, and returns it.
   *
   * @return the event; its payload case is {@code PAYLOAD_NOT_SET} if it is newer than this client
   * @throws NoSuchElementException when there is none
   */
  @Override
  public Event next() {
    if (!hasNext()) {
      throw new NoSuchElementException("the stream has ended");
    }
    current = frame.getDeliveries(index++).getEvent();
    return current;
  }

  /** Says that the event that was returned last is processed, for leaving the loop after it. */
  public void markProcessed() {
    if (current != null) {
      reader.processed(current.getCursor());
      current = null;
    }
  }

  /**
   * Returns itself: the events can be gone through once.
   *
   * @return this
   */
  @Override
  public Iterator<Event> iterator() {
    return this;
  }

  /**
   * Ends the subscription and saves its position. A wait for the next event, in another thread,
   * ends with false. Idempotent.
   *
   * @throws java.io.UncheckedIOException if the position can't be saved
   */
  @Override
  public void close() {
    reader.close();
  }

  /** Makes {@link #hasNext} return false, without waiting for anything. */
  void stop() {
    reader.stop();
  }
}
