package dev.straw.conformance;

import dev.straw.client.Signatures;
import dev.straw.client.StrawClient;
import dev.straw.client.StrawException;
import dev.straw.v1.GetEventRequest;
import dev.straw.v1.GetStatusRequest;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.Base64;
import java.util.Map;

/** Carries out one case with the Java client; the conformance README says what is asked and printed. */
public final class Driver {
  private Driver() {}

  public static void main(String[] args) throws Exception {
    if (args.length != 1) {
      throw new IllegalArgumentException("usage: run '{\"op\": …, \"address\": …}'");
    }
    Arguments arguments = Arguments.parse(args[0]);
    String op = arguments.text("op");
    String address = arguments.text("address");
    try (StrawClient client = StrawClient.connect(address)) {
      perform(op, client, arguments);
    } catch (RuntimeException e) {
      if (e instanceof Arguments.Wrong) {
        throw e;
      }
      Output.error(e);
    }
  }

  private static void perform(String op, StrawClient client, Arguments arguments) throws Exception {
    switch (op) {
      case "subscribe" -> new Subscribe(client, arguments).run();
      case "consume" -> new Consume(client, arguments).run();
      case "settle" -> Settle.run(client, arguments);
      case "manage" -> Manage.run(client, arguments);
      case "download" -> Downloading.run(client, arguments);
      case "get" -> get(client, arguments);
      case "verify" -> verify(arguments);
      case "status" -> status(client, arguments);
      default -> throw new Arguments.Wrong("op " + op + " is unknown");
    }
  }

  private static void get(StrawClient client, Arguments arguments) {
    GetEventRequest request = GetEventRequest.newBuilder().setId(arguments.text("id")).build();
    arguments.end();
    Output.event(client.events().getEvent(request));
  }

  private static void verify(Arguments arguments) {
    byte[] body = Base64.getDecoder().decode(arguments.text("body"));
    String header = arguments.text("header");
    String[] secrets = arguments.texts("secrets").toArray(String[]::new);
    arguments.end();
    try {
      Output.print(Map.of("valid", Signatures.verify(body, header, secrets)));
    } catch (IllegalArgumentException e) {
      Output.error(Status.INVALID_ARGUMENT.withDescription(e.getMessage()).asRuntimeException());
    }
  }

  private static void status(StrawClient client, Arguments arguments) {
    arguments.end();
    String version = client.gateway().getStatus(GetStatusRequest.getDefaultInstance()).getVersion();
    Output.print(Map.of("version", version));
  }
}
