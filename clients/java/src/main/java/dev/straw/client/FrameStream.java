package dev.straw.client;

import dev.straw.v1.SubscribeResponse;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * A subscription frame by frame: heartbeats, gaps, and how much is left to read ({@code
 * getBacklog()}; zero means caught up) are visible. A frame counts as processed when the next one
 * is asked for; apart from that it is as {@link EventStream} is.
 */
public final class FrameStream
    implements Iterator<SubscribeResponse>, Iterable<SubscribeResponse>, AutoCloseable {
  private final CursorReader reader;
  private SubscribeResponse current; // was returned, and isn't processed yet
  private SubscribeResponse next; // is there, and wasn't returned yet

  FrameStream(CursorReader reader) {
    this.reader = reader;
  }

  /**
   * Waits for the next frame. The one before is processed.
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
    if (next == null || reader.isStopped()) {
      next = reader.next();
    }
    return next != null;
  }

  /**
   * Waits for the next frame, as {@link #hasNext} does, and returns it.
   *
   * @return the frame
   * @throws NoSuchElementException when there is none
   */
  @Override
  public SubscribeResponse next() {
    if (!hasNext()) {
      throw new NoSuchElementException("the stream has ended");
    }
    current = next;
    next = null;
    return current;
  }

  /** Says that the frame that was returned last is processed, for leaving the loop after it. */
  public void markProcessed() {
    if (current != null) {
      reader.processed(current.getCursor());
      current = null;
    }
  }

  /**
   * Returns itself: the frames can be gone through once.
   *
   * @return this
   */
  @Override
  public Iterator<SubscribeResponse> iterator() {
    return this;
  }

  /**
   * Ends the subscription and saves its position, as {@link EventStream#close} does.
   *
   * @throws java.io.UncheckedIOException if the position can't be saved
   */
  @Override
  public void close() {
    reader.close();
  }
}
