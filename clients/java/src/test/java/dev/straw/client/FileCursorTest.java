package dev.straw.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileCursorTest {
  @TempDir private Path folder;

  @Test
  void holdsWhatWasSavedLast() throws IOException {
    FileCursor store = FileCursor.at(folder.resolve("cursor"));
    assertEquals("", store.load());
    store.save("c1");
    store.save("c2");
    assertEquals("c2", FileCursor.at(folder.resolve("cursor").toString()).load());
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(1, files.count());
    }
  }

  @Test
  void anEmptyFileHasLostItsPosition() throws IOException {
    Path file = Files.createFile(folder.resolve("cursor"));
    IOException failure = assertThrows(IOException.class, FileCursor.at(file)::load);
    assertTrue(failure.getMessage().contains(file.toString()), failure.getMessage());
  }

  @Test
  void aFolderThatIsMissingIsAnError() {
    FileCursor store = FileCursor.at(folder.resolve("missing").resolve("cursor"));
    assertThrows(IOException.class, () -> store.save("c1"));
  }
}
