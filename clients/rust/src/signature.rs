use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::Error;

/// The header of a webhook's signature.
pub const SIGNATURE_HEADER: &str = "x-juicebox-signature";

/// Whether a webhook was signed with one of the secrets: during a rotation there are two.
///
/// `body` is what was received, byte for byte, before any parsing; `header` the value of [`SIGNATURE_HEADER`]: the hex
/// HMAC-SHA256 of the body, in either case, with or without a `sha256=` prefix. It takes the same time whatever
/// is wrong. It is for programs that receive webhooks themselves; the gateway has verified what it streams.
///
/// # Errors
///
/// [`Error::Config`] if there is no secret, or an empty one: that signs nothing, for anyone has it.
pub fn verify_signature<S: AsRef<[u8]>>(
    body: &[u8],
    header: &str,
    secrets: impl IntoIterator<Item = S>,
) -> Result<bool, Error> {
    let given = decode_hex(header.strip_prefix("sha256=").unwrap_or(header));
    let (mut count, mut matched) = (0, false);
    for secret in secrets {
        let secret = secret.as_ref();
        if secret.is_empty() {
            return Err(Error::Config("a webhook secret is empty; anyone could sign with it".into()));
        }
        count += 1;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret)
            .map_err(|_| Error::Config("a webhook secret can't be used as a key".into()))?;
        mac.update(body);
        // Every secret is tried, and a malformed signature costs as much as a wrong one.
        matched |= mac.verify_slice(&given.unwrap_or_default()).is_ok() & given.is_some();
    }
    if count == 0 {
        return Err(Error::Config("there is no webhook secret to verify with".into()));
    }
    Ok(matched)
}

fn decode_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let (high, low) = (char::from(pair[0]).to_digit(16)?, char::from(pair[1]).to_digit(16)?);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    // printf '{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_1
    const SIGNED: &str = "aa888a496b006ee8776cb6ca97b78913345a3b818e66a90478a0a27aef6ba4ff";

    #[test]
    fn table() {
        let upper = SIGNED.to_uppercase();
        let prefixed = format!("sha256={SIGNED}");
        let long = format!("{SIGNED}00");
        let flipped = format!("{}{}", &SIGNED[..63], if SIGNED.ends_with('0') { '1' } else { '0' });
        for (name, body, header, secrets, want) in [
            ("as sent", BODY, SIGNED, &["whsec_1"][..], true),
            ("upper case", BODY, &upper, &["whsec_1"], true),
            ("with a prefix", BODY, &prefixed, &["whsec_1"], true),
            ("the second secret", BODY, SIGNED, &["whsec_2", "whsec_1"], true),
            ("the first secret", BODY, SIGNED, &["whsec_1", "whsec_2"], true),
            ("another secret", BODY, SIGNED, &["whsec_2"], false),
            ("another body", br#"{"id":"evt_2"}"#, SIGNED, &["whsec_1"], false),
            ("a flipped digit", BODY, &flipped, &["whsec_1"], false),
            ("too short", BODY, &SIGNED[..62], &["whsec_1"], false),
            ("too long", BODY, &long, &["whsec_1"], false),
            ("no hex", BODY, &"g".repeat(64), &["whsec_1"], false),
            ("no ASCII", BODY, &"é".repeat(32), &["whsec_1"], false),
            ("a prefix alone", BODY, "sha256=", &["whsec_1"], false),
            ("two prefixes", BODY, &format!("sha256={prefixed}"), &["whsec_1"], false),
            ("empty", BODY, "", &["whsec_1"], false),
        ] {
            assert_eq!(verify_signature(body, header, secrets).unwrap(), want, "{name}");
        }
    }

    #[test]
    fn a_missing_or_empty_secret_is_an_error() {
        for secrets in [&[][..], &[""], &["whsec_1", ""]] {
            let error = verify_signature(BODY, SIGNED, secrets).unwrap_err();
            assert!(matches!(error, Error::Config(_)), "{secrets:?}: {error}");
        }
    }
}
