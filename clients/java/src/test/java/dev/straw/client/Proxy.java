package dev.straw.client;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.IntFunction;

/** A TCP proxy that misbehaves. Each connection's treatment is chosen when it is accepted. */
final class Proxy implements AutoCloseable {

  /**
   * What happens to the bytes from the gateway to the client.
   *
   * @param bytes how many pass; negative is all
   * @param hang whether nothing more is passed then and nothing closed; else both sides are closed
   */
  record Treatment(long bytes, boolean hang) {
    static final Treatment NONE = new Treatment(-1, false);

    static Treatment cutAfter(long bytes) {
      return new Treatment(bytes, false);
    }

    static Treatment hangAfter(long bytes) {
      return new Treatment(bytes, true);
    }
  }

  private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
  private final InetSocketAddress target;
  private final IntFunction<Treatment> treatments;
  private final Set<Closeable> open = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  /** Connections are counted from 1. */
  Proxy(String target, IntFunction<Treatment> treatments) throws IOException {
    int colon = target.lastIndexOf(':');
    this.target =
        new InetSocketAddress(
            target.substring(0, colon), Integer.parseInt(target.substring(colon + 1)));
    this.treatments = treatments;
    run(this::accept);
  }

  String address() {
    return "127.0.0.1:" + listener.getLocalPort();
  }

  private void accept() throws IOException {
    for (int n = 1; !closed; n++) {
      Socket client = track(listener.accept());
      Treatment treatment = treatments.apply(n);
      Socket server = track(new Socket());
      try {
        server.connect(target);
      } catch (IOException e) {
        closeQuietly(client);
        continue;
      }
      run(() -> copy(client, server, Treatment.NONE));
      run(() -> copy(server, client, treatment));
    }
  }

  private Socket track(Socket socket) {
    open.add(socket);
    return socket;
  }

  private static void copy(Socket from, Socket to, Treatment treatment) throws IOException {
    try (from;
        to) {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      byte[] buffer = new byte[4096];
      long passed = 0;
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        int pass = treatment.bytes() < 0 ? n : (int) Math.min(n, treatment.bytes() - passed);
        out.write(buffer, 0, pass);
        passed += pass;
        if (pass < n && !treatment.hang()) {
          return;
        }
      }
    }
  }

  private interface Task {
    void run() throws IOException;
  }

  /** How a connection ends makes no difference. */
  private static void run(Task task) {
    Thread thread =
        new Thread(
            () -> {
              try {
                task.run();
              } catch (IOException e) {
                // It was closed.
              }
            },
            "proxy");
    thread.setDaemon(true);
    thread.start();
  }

  private static void closeQuietly(Closeable socket) {
    try {
      socket.close();
    } catch (IOException e) {
      // It is gone all the same.
    }
  }

  @Override
  public void close() {
    closed = true;
    closeQuietly(listener);
    open.forEach(Proxy::closeQuietly);
  }
}
