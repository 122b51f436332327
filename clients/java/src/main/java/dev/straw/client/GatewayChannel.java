package dev.straw.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Supplier;

/**
 * The connection to a gateway. It can be renewed while calls go on: what made one deaf, perhaps a
 * proxy that answers pings for a dead gateway, may stay so for as long as that lives.
 */
final class GatewayChannel extends Channel implements AutoCloseable {
  private final Supplier<ManagedChannel> dial;
  private final Set<ManagedChannel> retired = new HashSet<>();
  private volatile ManagedChannel current;

  GatewayChannel(Supplier<ManagedChannel> dial) {
    this.dial = dial;
    this.current = dial.get();
  }

  ManagedChannel current() {
    return current;
  }

  @Override
  public <Q, R> ClientCall<Q, R> newCall(MethodDescriptor<Q, R> method, CallOptions options) {
    return current.newCall(method, options);
  }

  @Override
  public String authority() {
    return current.authority();
  }

  /**
   * Makes new calls use a new connection. Calls on the stale one go on. Does nothing if it was
   * renewed already.
   */
  synchronized void renew(ManagedChannel stale) {
    if (current != stale || stale.isShutdown()) {
      return;
    }
    current = dial.get();
    retired.removeIf(ManagedChannel::isTerminated);
    retired.add(stale.shutdown());
  }

  /**
   * Makes the next call connect at once if the last attempt has failed. Who calls waits by itself;
   * gRPC's own wait, up to two minutes, would come on top.
   */
  void forgetFailure() {
    ManagedChannel channel = current;
    if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
      channel.enterIdle();
    }
  }

  boolean isClosed() {
    return current.isShutdown();
  }

  @Override
  public synchronized void close() {
    retired.forEach(ManagedChannel::shutdownNow);
    current.shutdownNow();
  }
}
