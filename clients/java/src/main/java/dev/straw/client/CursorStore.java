package dev.straw.client;

import java.io.IOException;

/**
 * Holds the position of one subscription over restarts of the program. Its methods are called one
 * at a time, by any thread. What they throw ends the subscription and reaches the program from it,
 * an {@link IOException} as an {@link java.io.UncheckedIOException}.
 */
public interface CursorStore {
  /**
   * Returns what was saved last. Called once, when the subscription begins.
   *
   * @return empty if nothing was ever saved
   * @throws IOException if that can't be told
   */
  String load() throws IOException;

  /**
   * Replaces what was saved, and returns once that would survive a crash. Saving again what is
   * there changes nothing.
   *
   * @param cursor never empty
   * @throws IOException if it can't be saved; what was saved before must still be there
   */
  void save(String cursor) throws IOException;
}
