package dev.straw.client;

import dev.straw.v1.DownloadExportRequest;
import dev.straw.v1.DownloadExportResponse;
import dev.straw.v1.ExportServiceGrpc;
import io.grpc.Status;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * An export's bytes. It resumes by itself when a connection is lost, and comes to its end only once
 * the whole file was read and its SHA-256 is right. For one thread; close it when done.
 *
 * <p>What goes wrong is a {@link StrawException}: code {@code ABORTED} when the export was fetched
 * anew meanwhile, so that the rest wouldn't fit, {@code DATA_LOSS} when the bytes are not those
 * that the gateway stored, and whatever the call has failed with. It is thrown again by every later
 * read.
 */
public final class Download extends InputStream {
  /** How many connections in a row may fail without a byte. */
  private static final int MAX_FAILURES = 8;

  private static final long PATIENCE = TimeUnit.SECONDS.toNanos(30);

  private final GatewayChannel channel;
  private final String id;
  private final MessageDigest sum = sha256Digest();

  private StreamCall<DownloadExportRequest, DownloadExportResponse>
      call; // null between connections
  private ByteBuffer data = ByteBuffer.allocate(0); // came, and wasn't read
  private long arrived; // bytes, those of an earlier download included
  private long size;
  private String sha256 = ""; // as the gateway says
  private boolean verified;
  private RuntimeException failure; // sticky

  private Download(GatewayChannel channel, String id) {
    this.channel = channel;
    this.id = id;
  }

  static Download begin(GatewayChannel channel, String id) {
    Download download = new Download(channel, id);
    download.receive();
    return download;
  }

  static Download resume(GatewayChannel channel, String id, InputStream soFar) throws IOException {
    Download download = new Download(channel, id);
    byte[] buffer = new byte[64 << 10];
    for (int n = soFar.read(buffer); n >= 0; n = soFar.read(buffer)) {
      download.sum.update(buffer, 0, n);
      download.arrived += n;
    }
    download.receive();
    return download;
  }

  private static MessageDigest sha256Digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }

  /**
   * The whole file's size.
   *
   * @return in bytes
   */
  public long size() {
    return size;
  }

  /**
   * The whole file's SHA-256.
   *
   * @return 64 lower-case hex digits
   */
  public String sha256() {
    return sha256;
  }

  /**
   * How much of the file was read.
   *
   * @return in bytes, what an earlier download has brought included
   */
  public long offset() {
    return arrived - data.remaining();
  }

  @Override
  public int read() {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  /**
   * Reads bytes, and waits for them if need be.
   *
   * @return how many; -1 at the end of a file that is what it should be
   * @throws StrawException what the download has failed with
   */
  @Override
  public int read(byte[] into, int offset, int length) {
    Objects.checkFromIndexSize(offset, length, into.length);
    if (length == 0) {
      return 0;
    }
    if (failure != null) {
      throw failure;
    }
    while (!data.hasRemaining()) {
      if (arrived == size) {
        verify();
        return -1;
      }
      receive();
    }
    int n = Math.min(length, data.remaining());
    data.get(into, offset, n);
    sum.update(into, offset, n);
    return n;
  }

  @Override
  public int available() {
    return data.remaining();
  }

  private void verify() {
    if (verified) {
      return;
    }
    disconnect();
    String is = HexFormat.of().formatHex(sum.digest());
    if (!is.equals(sha256)) {
      throw fail(
          new StrawException(
              Status.Code.DATA_LOSS,
              "the downloaded bytes have SHA-256 "
                  + is
                  + " instead of "
                  + sha256
                  + ": download it again"));
    }
    verified = true;
  }

  /** Gets the next message, over as many connections as that takes. */
  private void receive() {
    try {
      accept(receiveOverConnections());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw fail(
          new StrawException(
              Status.Code.CANCELLED, "the thread was interrupted while it waited for bytes", e));
    }
  }

  private DownloadExportResponse receiveOverConnections() throws InterruptedException {
    for (int failures = 1; ; failures++) {
      try {
        return receiveOnce();
      } catch (StrawException e) {
        disconnect();
        if (!e.retryable() || failures == MAX_FAILURES || channel.isClosed()) {
          throw fail(e);
        }
      }
      TimeUnit.NANOSECONDS.sleep(Backoff.after(failures).toNanos());
      channel.forgetFailure();
    }
  }

  private DownloadExportResponse receiveOnce() throws InterruptedException {
    if (call == null) {
      DownloadExportRequest request =
          DownloadExportRequest.newBuilder().setId(id).setOffset(arrived).build();
      call =
          new StreamCall<>(channel.current(), ExportServiceGrpc.getDownloadExportMethod(), request);
    }
    long deadline = System.nanoTime() + PATIENCE;
    while (true) {
      DownloadExportResponse message = call.take();
      if (message != null) {
        return message;
      }
      if (call.ended()) {
        // Too early, even with OK, or it wouldn't have been asked. Some proxies cut streams so.
        throw call.endedWell()
            ? new StrawException(Status.Code.UNAVAILABLE, "the stream ended before the file did")
            : call.failure();
      }
      if (!call.await(deadline - System.nanoTime())) {
        channel.renew(call.channel());
        throw new StrawException(
            Status.Code.UNAVAILABLE, "no byte came in time, so the connection is taken for dead");
      }
    }
  }

  private void accept(DownloadExportResponse message) {
    if (!sha256.isEmpty() && !sha256.equals(message.getSha256())) {
      throw fail(
          own("the export was fetched anew while it was downloaded: download it from its start"));
    }
    if (message.getOffset() != arrived) {
      throw fail(
          own(
              "the gateway sent byte "
                  + message.getOffset()
                  + " of the export instead of "
                  + arrived));
    }
    sha256 = message.getSha256();
    size = message.getTotalBytes();
    data = message.getData().asReadOnlyByteBuffer();
    arrived += data.remaining();
  }

  private static StrawException own(String sentence) {
    return new StrawException(Status.Code.ABORTED, sentence);
  }

  private <E extends RuntimeException> E fail(E e) {
    failure = e;
    disconnect();
    return e;
  }

  private void disconnect() {
    if (call != null) {
      call.cancel();
      call = null;
    }
  }

  /** Ends the download. Idempotent. */
  @Override
  public void close() {
    disconnect();
    data = ByteBuffer.allocate(0);
    if (failure == null) {
      failure = new IllegalStateException("the download was closed");
    }
  }
}
