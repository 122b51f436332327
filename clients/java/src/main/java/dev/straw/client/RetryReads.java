package dev.straw.client;

import java.util.List;
import java.util.Map;

/**
 * Lets gRPC itself repeat the calls that only read, when the gateway can't be reached for a moment.
 */
final class RetryReads {
  static final Map<String, Object> SERVICE_CONFIG =
      Map.of(
          "methodConfig",
          List.of(
              Map.of(
                  "name",
                  List.of(
                      method("EventService", "GetEvent"),
                      method("EventService", "ListEvents"),
                      method("SubscriptionService", "GetSubscription"),
                      method("SubscriptionService", "ListSubscriptions"),
                      method("SubscriptionService", "ListDeadLetters"),
                      method("ExportService", "GetExport"),
                      method("ExportService", "ListExports"),
                      method("GatewayService", "GetStatus")),
                  "retryPolicy",
                  Map.of(
                      "maxAttempts",
                      4.0,
                      "initialBackoff",
                      "0.1s",
                      "maxBackoff",
                      "1s",
                      "backoffMultiplier",
                      2.0,
                      "retryableStatusCodes",
                      List.of("UNAVAILABLE")))));

  private RetryReads() {}

  private static Map<String, String> method(String service, String method) {
    return Map.of("service", "straw.v1." + service, "method", method);
  }
}
