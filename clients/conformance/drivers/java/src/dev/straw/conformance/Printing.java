package dev.straw.conformance;

import dev.straw.client.Hooks;
import dev.straw.client.StrawException;
import dev.straw.v1.SubscribeResponse;
import java.time.Duration;
import java.util.Map;

/** Prints what becomes of connections. */
final class Printing implements Hooks {
  @Override
  public void connected(SubscribeResponse first) {
    Output.print(Map.of("connected", true));
  }

  @Override
  public void disconnected(StrawException cause, Duration retryIn) {
    System.err.println(cause + "; connecting again in " + retryIn);
    Output.print(Map.of("disconnected", cause.reasonName()));
  }
}
