package dev.straw.client;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Verifies webhooks, for programs that receive them themselves. The gateway has verified what it
 * streams.
 */
public final class Signatures {
  /** The header of a webhook's signature. */
  public static final String HEADER = "X-Juicebox-Signature";

  private static final String PREFIX = "sha256=";
  private static final int DIGEST_BYTES = 32;

  private Signatures() {}

  /**
   * Tells whether a webhook was signed with one of the secrets; during a rotation there are two. It
   * takes the same time whatever is wrong.
   *
   * @param body what was received, byte for byte, before any parsing
   * @param header the value of {@link #HEADER}: the hex HMAC-SHA256 of the body, in either case,
   *     with or without a {@code sha256=} prefix; {@code null} if there was none
   * @param secrets what to try; with none, nothing is valid
   * @return whether one of them fits
   * @throws IllegalArgumentException if a secret is empty: anyone could sign with that
   */
  public static boolean verify(byte[] body, String header, String... secrets) {
    for (String secret : secrets) {
      if (secret.isEmpty()) {
        throw new IllegalArgumentException(
            "a webhook secret is empty: anyone could sign with it; give the one that Juicebox has");
      }
    }
    byte[] given = decode(header);
    boolean valid = false;
    for (String secret : secrets) {
      valid |= MessageDigest.isEqual(hmac(body, secret), given);
    }
    return valid;
  }

  /** Returns nothing for what is no signature; that equals no digest. */
  private static byte[] decode(String header) {
    String digits = header == null ? "" : header;
    if (digits.startsWith(PREFIX)) {
      digits = digits.substring(PREFIX.length());
    }
    if (digits.length() != 2 * DIGEST_BYTES) {
      return new byte[0];
    }
    try {
      return HexFormat.of().parseHex(digits);
    } catch (IllegalArgumentException e) {
      return new byte[0];
    }
  }

  private static byte[] hmac(byte[] body, String secret) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
      return mac.doFinal(body);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every Java has HmacSHA256", e);
    }
  }
}
