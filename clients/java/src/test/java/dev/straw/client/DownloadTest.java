package dev.straw.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.sun.net.httpserver.HttpServer;
import dev.straw.v1.ErrorReason;
import dev.straw.v1.Event;
import io.grpc.Status;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Exports that a real gateway has fetched. */
@Timeout(60)
class DownloadTest {
  private static final byte[] FILE = new byte[1_500_000];

  @TempDir private static Path folder;
  private static HttpServer files;
  private static Gateway gateway;
  private static StrawClient client;

  @BeforeAll
  static void start() throws Exception {
    new Random(1).nextBytes(FILE);
    files = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    files.createContext("/file", exchange -> answer(exchange, FILE));
    files.createContext("/empty", exchange -> answer(exchange, new byte[0]));
    files.start();
    String host = "127.0.0.1:" + files.getAddress().getPort();
    gateway = Gateway.start(folder, "--export-allow-host", host);
    client = gateway.client();
    export("exp_1", "http://" + host + "/file");
    export("exp_0", "http://" + host + "/empty");
  }

  private static void answer(com.sun.net.httpserver.HttpExchange exchange, byte[] body)
      throws IOException {
    exchange.getResponseHeaders().set("Content-Type", "text/csv");
    exchange.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  /** Announces an export and waits until the gateway has it. */
  private static void export(String id, String url) throws Exception {
    gateway.post(
        "evt_" + id,
        EventTypes.EXPORT_READY,
        "{\"export_id\":\"" + id + "\",\"download_url\":\"" + url + "\",\"format\":\"csv\"}");
    SubscribeOptions options =
        SubscribeOptions.builder().start(Start.earliest()).types("straw.export.*").build();
    try (EventStream events = client.subscribe(options)) {
      for (Event event : events) {
        if (event.getExportStored().getExportId().equals(id)) {
          return;
        }
      }
    }
  }

  @AfterAll
  static void stop() {
    client.close();
    gateway.close();
    files.stop(0);
  }

  @Test
  void bringsTheWholeFile() throws Exception {
    try (Download download = client.download("exp_1")) {
      assertEquals(FILE.length, download.size());
      assertEquals(0, download.offset());
      assertArrayEquals(FILE, download.readAllBytes());
      assertEquals(FILE.length, download.offset());
      assertEquals(-1, download.read());
    }
    try (Download download = client.download("exp_0")) {
      assertEquals(-1, download.read());
    }
  }

  @Test
  void resumesAfterCuts() throws Exception {
    try (Proxy proxy =
            new Proxy(
                gateway.address(),
                n -> n <= 3 ? Proxy.Treatment.cutAfter(400_000) : Proxy.Treatment.NONE);
        StrawClient cut = StrawClient.connect(proxy.address());
        Download download = cut.download("exp_1")) {
      assertArrayEquals(FILE, download.readAllBytes());
    }
  }

  @Test
  void goesOnWithAnEarlierDownload() throws Exception {
    byte[] part = Arrays.copyOf(FILE, 700_001);
    try (Download download = client.download("exp_1", new ByteArrayInputStream(part))) {
      assertEquals(part.length, download.offset());
      assertArrayEquals(
          Arrays.copyOfRange(FILE, part.length, FILE.length), download.readAllBytes());
    }
    try (Download download = client.download("exp_1", new ByteArrayInputStream(FILE))) {
      assertEquals(-1, download.read());
    }
  }

  @Test
  void otherBytesFailTheChecksum() throws Exception {
    byte[] part = Arrays.copyOf(FILE, 1000);
    part[17]++;
    try (Download download = client.download("exp_1", new ByteArrayInputStream(part))) {
      StrawException failure = assertThrows(StrawException.class, download::readAllBytes);
      assertEquals(Status.Code.DATA_LOSS, failure.code());
      assertThrows(StrawException.class, download::read);
    }
  }

  @Test
  void whatIsNotThereIsAnError() {
    StrawException failure = assertThrows(StrawException.class, () -> client.download("nobody"));
    assertEquals(ErrorReason.EXPORT_NOT_FOUND, failure.reason());
    assertEquals("nobody", failure.metadata().get("id"));
  }
}
