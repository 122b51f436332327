package dev.straw.client;

import static dev.straw.client.ScriptedGateway.frame;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.straw.v1.GetStatusRequest;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsServerCredentials;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class ConnectTest {
  @TempDir private Path folder;

  /** A self-signed certificate and its key, as PEM files. */
  private record Identity(Path certificate, Path key) {}

  private Identity identity(String name) throws Exception {
    Path store = folder.resolve(name + ".p12");
    Path keytool = Path.of(System.getProperty("java.home"), "bin", "keytool");
    List<String> command =
        List.of(
            keytool.toString(),
            "-genkeypair",
            "-alias",
            name,
            "-keyalg",
            "EC",
            "-dname",
            "CN=" + name,
            "-ext",
            "san=ip:127.0.0.1,dns:localhost",
            "-storetype",
            "PKCS12",
            "-keystore",
            store.toString(),
            "-storepass",
            "changeit");
    assertEquals(
        0,
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start()
            .waitFor());
    char[] password = "changeit".toCharArray();
    KeyStore keys = KeyStore.getInstance(store.toFile(), password);
    return new Identity(
        pem(name, "CERTIFICATE", keys.getCertificate(name).getEncoded()),
        pem(name, "PRIVATE KEY", keys.getKey(name, password).getEncoded()));
  }

  private Path pem(String name, String what, byte[] content) throws IOException {
    String text =
        "-----BEGIN "
            + what
            + "-----\n"
            + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content)
            + "\n-----END "
            + what
            + "-----\n";
    return Files.writeString(folder.resolve(name + "." + what.charAt(0)), text);
  }

  private static boolean brings(StrawClient client) {
    SubscribeOptions options = SubscribeOptions.builder().endAtHead(true).build();
    try (client;
        EventStream events = client.subscribe(options)) {
      return events.hasNext();
    }
  }

  private static ScriptedGateway gateway(io.grpc.ServerCredentials credentials) throws IOException {
    return new ScriptedGateway(
        credentials,
        (call, answer) -> {
          answer.onNext(frame(0, 1));
          answer.onCompleted();
        });
  }

  @Test
  void trustsItsOwnRootsOverTls() throws Exception {
    Identity server = identity("server");
    try (ScriptedGateway gateway =
        gateway(TlsServerCredentials.create(server.certificate.toFile(), server.key.toFile()))) {
      assertTrue(
          brings(
              StrawClient.builder(gateway.address())
                  .tls(server.certificate)
                  .token("t0ken")
                  .build()));
      assertEquals(List.of("Bearer t0ken"), gateway.authorizations);
      try (StrawClient distrustful = StrawClient.builder(gateway.address()).tls().build()) {
        StatusRuntimeException failure =
            assertThrows(
                StatusRuntimeException.class,
                () -> distrustful.gateway().getStatus(GetStatusRequest.getDefaultInstance()));
        assertEquals(Status.Code.UNAVAILABLE, StrawException.from(failure).code());
      }
    }
  }

  @Test
  void showsItsCertificateOverMutualTls() throws Exception {
    Identity server = identity("server");
    Identity program = identity("program");
    try (ScriptedGateway gateway =
        gateway(
            TlsServerCredentials.newBuilder()
                .keyManager(server.certificate.toFile(), server.key.toFile())
                .trustManager(program.certificate.toFile())
                .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE)
                .build())) {
      assertTrue(
          brings(
              StrawClient.builder(gateway.address())
                  .mutualTls(server.certificate, program.certificate, program.key)
                  .build()));
    }
  }

  @Test
  void asksForATokenAtEachCall() throws Exception {
    AtomicInteger count = new AtomicInteger();
    try (ScriptedGateway gateway = gateway(io.grpc.InsecureServerCredentials.create());
        StrawClient client =
            StrawClient.builder(gateway.address())
                .token(() -> "t" + count.incrementAndGet())
                .build()) {
      for (int i = 0; i < 2; i++) {
        SubscribeOptions options = SubscribeOptions.builder().endAtHead(true).build();
        try (EventStream events = client.subscribe(options)) {
          assertTrue(events.hasNext());
        }
      }
      assertEquals(List.of("Bearer t1", "Bearer t2"), gateway.authorizations);
    }
  }

  @Test
  void aTokenThatCannotBeHadFailsTheCall() throws Exception {
    try (ScriptedGateway gateway = gateway(io.grpc.InsecureServerCredentials.create());
        StrawClient client =
            StrawClient.builder(gateway.address())
                .token(
                    () -> {
                      throw new IllegalStateException("the vault is shut");
                    })
                .build();
        EventStream events = client.subscribe(SubscribeOptions.builder().build())) {
      StrawException failure = assertThrows(StrawException.class, events::hasNext);
      assertEquals(Status.Code.UNAUTHENTICATED, failure.code());
      assertTrue(failure.getMessage().contains("the vault is shut"), failure.getMessage());
    }
  }

  @Test
  void aTokenIsNotSentInPlaintextBeyondThisMachine() {
    StrawClientBuilder builder = StrawClient.builder("gateway.example:9090").plaintext().token("t");
    IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, builder::build);
    assertTrue(refusal.getMessage().contains("gateway.example"), refusal.getMessage());
    builder.tls().build().close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "127.0.0.1:9090",
        "localhost:9090",
        "[::1]:9090",
        "unix:///run/straw",
        "dns:///127.0.0.2:1"
      })
  void thisMachineIsLocal(String address) {
    assertTrue(Target.parse(address).local());
  }

  @ParameterizedTest
  @ValueSource(strings = {"gateway.example:443", "10.0.0.1:9090", "dns:///gateway.example:443"})
  void othersAreNot(String address) {
    assertFalse(Target.parse(address).local());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "gateway.example", "gateway.example:", ":9090", "::1"})
  void anAddressHasHostAndPort(String address) {
    IllegalArgumentException refusal =
        assertThrows(IllegalArgumentException.class, () -> StrawClient.connect(address));
    assertTrue(refusal.getMessage().contains(StrawClient.DEFAULT_ADDRESS), refusal.getMessage());
  }
}
