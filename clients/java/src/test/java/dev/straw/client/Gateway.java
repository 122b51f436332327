package dev.straw.client;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * A real gateway, in a process and a folder of its own. It keeps its addresses over a restart. The
 * binary is the one that STRAW_BINARY names, or is built.
 */
final class Gateway implements AutoCloseable {
  private static final String SECRET = "a secret of the tests";
  private static final Pattern LISTENER = Pattern.compile("listener=(\\w+) addr=(\\S+)");
  private static final HttpClient HTTP = HttpClient.newHttpClient();
  private static final Path BINARY = binary();

  private final Path folder;
  private final List<String> flags;
  private final Map<String, String> addresses = new ConcurrentHashMap<>();
  private Process process;

  private Gateway(Path folder, List<String> flags) {
    this.folder = folder;
    this.flags = flags;
    addresses.putAll(
        Map.of("webhook", "127.0.0.1:0", "grpc", "127.0.0.1:0", "http", "127.0.0.1:0"));
  }

  static Gateway start(Path folder, String... flags) throws Exception {
    Gateway gateway = new Gateway(folder, List.of(flags));
    gateway.start();
    return gateway;
  }

  private static Path binary() {
    String given = System.getenv("STRAW_BINARY");
    if (given != null) {
      return Path.of(given);
    }
    try {
      Path built = Files.createTempDirectory("straw").resolve("straw");
      built.toFile().deleteOnExit();
      int code =
          new ProcessBuilder("go", "build", "-o", built.toString(), "./server/cmd/straw")
              .directory(Path.of("../..").toFile())
              .inheritIO()
              .start()
              .waitFor();
      if (code != 0) {
        throw new IllegalStateException("the gateway can't be built; set STRAW_BINARY to one");
      }
      return built;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Starts it again after it was killed or drained. */
  void start() throws Exception {
    List<String> command = new ArrayList<>(List.of(BINARY.toString(), "serve"));
    command.addAll(List.of("--webhook-secret", SECRET));
    command.addAll(List.of("--store", "pebble:" + folder.resolve("store")));
    command.addAll(List.of("--blobs", "file:" + folder.resolve("exports")));
    addresses.forEach((name, address) -> command.addAll(List.of("--" + name + "-addr", address)));
    command.addAll(flags);
    process = new ProcessBuilder(command).directory(folder.toFile()).start();
    CountDownLatch listening = new CountDownLatch(addresses.size());
    Thread log = new Thread(() -> follow(listening), "gateway-log");
    log.setDaemon(true);
    log.start();
    if (!listening.await(30, TimeUnit.SECONDS)) {
      throw new IllegalStateException("the gateway doesn't listen: " + addresses);
    }
  }

  private void follow(CountDownLatch listening) {
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        Matcher listener = LISTENER.matcher(line);
        if (listener.find()) {
          addresses.put(listener.group(1), listener.group(2));
          listening.countDown();
        }
      }
    } catch (IOException e) {
      // It was killed.
    }
  }

  String address() {
    return addresses.get("grpc");
  }

  StrawClient client() {
    return StrawClient.connect(address());
  }

  /** Ends it without a warning, as a power cut does to the process. */
  void kill() {
    process.destroyForcibly().onExit().join();
  }

  /** Asks it to end. */
  void terminate() {
    process.destroy();
  }

  /** Asks it to end, and waits until it has. */
  void drain() {
    process.destroy();
    process.onExit().join();
  }

  /**
   * Posts analyses with the ids {@code evt_<from>} to {@code evt_<from + count - 1>}, in that
   * order.
   */
  void analyses(int from, int count) throws Exception {
    for (int i = from; i < from + count; i++) {
      post("evt_" + i, EventTypes.ANALYSIS_COMPLETED, "{\"analysis_id\":\"an_" + i + "\"}");
    }
  }

  /** Posts many analyses, in no order. */
  void fill(int count) throws Exception {
    Semaphore atOnce = new Semaphore(64);
    for (int i = 0; i < count; i++) {
      atOnce.acquire();
      String data = "{\"analysis_id\":\"an_" + i + "\",\"query\":\"platform engineer, Berlin\"}";
      HTTP.sendAsync(
              webhook(body(String.format("evt_%024d", i), EventTypes.ANALYSIS_COMPLETED, data)),
              HttpResponse.BodyHandlers.discarding())
          .whenComplete((answer, failure) -> atOnce.release());
    }
    atOnce.acquire(64);
  }

  void post(String id, String type, String data) throws Exception {
    HttpResponse<String> answer =
        HTTP.send(webhook(body(id, type, data)), HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      throw new IllegalStateException("the webhook was answered with " + answer.statusCode());
    }
  }

  private static String body(String id, String type, String data) {
    return "{\"id\":\"" + id + "\",\"type\":\"" + type + "\",\"data\":" + data + "}";
  }

  private HttpRequest webhook(String body) throws GeneralSecurityException {
    return HttpRequest.newBuilder(
            URI.create("http://" + addresses.get("webhook") + "/webhooks/juicebox"))
        .header(Signatures.HEADER, sign(body))
        .POST(HttpRequest.BodyPublishers.ofString(body))
        .build();
  }

  private static String sign(String body) throws GeneralSecurityException {
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(SECRET.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
    return HexFormat.of().formatHex(mac.doFinal(body.getBytes(StandardCharsets.UTF_8)));
  }

  @Override
  public void close() {
    kill();
  }
}
