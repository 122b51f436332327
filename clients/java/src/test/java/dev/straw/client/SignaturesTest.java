package dev.straw.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SignaturesTest {
  private static final byte[] BODY =
      "{\"id\":\"evt-1\",\"type\":\"search.alert\"}".getBytes(StandardCharsets.UTF_8);

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "bare hex, aec5d974a8b7d8850811bcdf1240ab553651d0a4e2148340688db6d33f511397, true",
    "upper case, AEC5D974A8B7D8850811BCDF1240AB553651D0A4E2148340688DB6D33F511397, true",
    "prefix, sha256=aec5d974a8b7d8850811bcdf1240ab553651d0a4e2148340688db6d33f511397, true",
    "a changed digit, 0ec5d974a8b7d8850811bcdf1240ab553651d0a4e2148340688db6d33f511397, false",
    "cut short, aec5d974a8b7d8850811bcdf1240ab553651d0a4e2148340688db6d33f5113, false",
    "too long, aec5d974a8b7d8850811bcdf1240ab553651d0a4e2148340688db6d33f51139700, false",
    "no hex, zzc5d974a8b7d8850811bcdf1240ab553651d0a4e2148340688db6d33f511397, false",
    "another prefix, sha1=aec5d974a8b7d8850811bcdf1240ab553651d0a4e2148340688db6d33f511397, false",
    "the prefix alone, sha256=, false",
    "nothing, '', false",
    "no header, , false",
  })
  void verifies(String what, String header, boolean valid) {
    assertEquals(valid, Signatures.verify(BODY, header, "one"), what);
    assertEquals(valid, Signatures.verify(BODY, header, "two", "one"), what);
    assertFalse(Signatures.verify(BODY, header, "two"), what);
    assertFalse(Signatures.verify(BODY, header), what);
  }

  @Test
  void anEmptySecretIsAnError() {
    assertThrows(
        IllegalArgumentException.class, () -> Signatures.verify(BODY, "sha256=", "one", ""));
  }
}
