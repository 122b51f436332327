from __future__ import annotations

import hashlib
import hmac

import pytest

import straw

BODY = b'{"id":"evt_1"}'


def sign(secret: str) -> str:
    return hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()


GOOD = sign("new")


@pytest.mark.parametrize(
    ("header", "secrets", "valid"),
    [
        pytest.param(GOOD, ["new", "old"], True, id="first secret"),
        pytest.param(sign("old"), ["new", "old"], True, id="second secret"),
        pytest.param(GOOD.upper(), ["new"], True, id="upper case"),
        pytest.param("sha256=" + GOOD, ["new"], True, id="prefix"),
        pytest.param(sign("other"), ["new", "old"], False, id="another secret"),
        pytest.param(GOOD, [], False, id="no secret"),
        pytest.param("", ["new"], False, id="empty header"),
        pytest.param("sha256=", ["new"], False, id="prefix alone"),
        pytest.param(GOOD[:62], ["new"], False, id="short"),
        pytest.param(GOOD[:63], ["new"], False, id="odd"),
        pytest.param(GOOD + "00", ["new"], False, id="long"),
        pytest.param(f"{GOOD},{GOOD}", ["new"], False, id="two joined"),
        pytest.param("z" * 64, ["new"], False, id="not hex"),
        pytest.param(f" {GOOD}", ["new"], False, id="blank"),
        pytest.param("\u0661" * 64, ["new"], False, id="digits of another script"),
    ],
)
def test_verify_signature(header: str, secrets: list[str], valid: bool) -> None:
    assert straw.verify_signature(BODY, header, *secrets) is valid


def test_an_empty_secret_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty webhook secret"):
        straw.verify_signature(BODY, sign(""), "new", "")


def test_known_answer() -> None:
    """RFC 4231, test case 2."""
    mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert straw.verify_signature(b"what do ya want for nothing?", mac, "Jefe")
