package dev.straw.conformance;

import dev.straw.client.Download;
import dev.straw.client.StrawClient;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/** Downloads an export into a file. */
final class Downloading {
  private Downloading() {}

  static void run(StrawClient client, Arguments arguments) throws IOException {
    String export = arguments.text("export");
    Path file = Path.of(arguments.text("file"));
    boolean resume = arguments.flag("resume");
    arguments.end();
    try (Download download = resume ? resume(client, export, file) : client.download(export);
        OutputStream out =
            Files.newOutputStream(
                file,
                StandardOpenOption.CREATE,
                resume ? StandardOpenOption.APPEND : StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
      download.transferTo(out);
      Output.print(Map.of("bytes", download.offset(), "sha256", download.sha256()));
    }
  }

  private static Download resume(StrawClient client, String export, Path file) throws IOException {
    try (InputStream soFar = Files.newInputStream(file)) {
      return client.download(export, soFar);
    }
  }
}
