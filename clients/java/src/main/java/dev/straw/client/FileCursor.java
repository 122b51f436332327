package dev.straw.client;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * A {@link CursorStore} in a file of its own, replaced atomically and synced. Its folder must
 * exist. Two subscriptions must not share a file.
 */
public final class FileCursor implements CursorStore {
  private final Path file;

  private FileCursor(Path file) {
    this.file = file.toAbsolutePath();
  }

  /**
   * Names the file.
   *
   * @param file need not exist; then the subscription begins at its start
   * @return a store in that file
   */
  public static FileCursor at(Path file) {
    return new FileCursor(file);
  }

  /**
   * Names the file.
   *
   * @param file its path
   * @return a store in that file
   */
  public static FileCursor at(String file) {
    return new FileCursor(Path.of(file));
  }

  @Override
  public String load() throws IOException {
    String cursor;
    try {
      cursor = Files.readString(file, StandardCharsets.US_ASCII).strip();
    } catch (NoSuchFileException e) {
      return "";
    }
    if (cursor.isEmpty()) {
      throw new IOException(
          "cursor file "
              + file
              + " is empty: the position in it was lost; remove the file to begin anew");
    }
    return cursor;
  }

  @Override
  public void save(String cursor) throws IOException {
    Path folder = file.getParent();
    Path fresh = Files.createTempFile(folder, file.getFileName().toString(), ".tmp");
    try {
      write(fresh, cursor + "\n");
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      Files.deleteIfExists(fresh);
      throw e;
    }
    syncFolder(folder);
  }

  private static void write(Path path, String text) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
    try (FileChannel out = FileChannel.open(path, StandardOpenOption.WRITE)) {
      while (bytes.hasRemaining()) {
        out.write(bytes);
      }
      out.force(true);
    }
  }

  /** Makes the renaming durable. Windows does so by itself and opens no folders. */
  private static void syncFolder(Path folder) throws IOException {
    if (folder.getFileSystem().supportedFileAttributeViews().contains("posix")) {
      try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
        channel.force(true);
      }
    }
  }
}
