package dev.straw.conformance;

import java.io.IOException;
import java.io.OutputStream;

/** Tells when the runner wants the driver to stop. */
final class Stdin {
  private Stdin() {}

  static void whenEnded(Runnable stop) {
    Thread thread =
        new Thread(
            () -> {
              try {
                System.in.transferTo(OutputStream.nullOutputStream());
              } catch (IOException e) {
                // That is an end as well.
              }
              stop.run();
            },
            "stdin");
    thread.setDaemon(true);
    thread.start();
  }
}
