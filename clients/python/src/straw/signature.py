"""Verification of webhooks, for programs that receive them without the gateway."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

SIGNATURE_HEADER: Final = "X-Juicebox-Signature"
"""The header of a webhook's signature."""

_HEX = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


def verify_signature(body: bytes, header: str, *secrets: str) -> bool:
    """Tell whether a webhook was signed with one of the secrets: during a rotation there are two.

    Args:
        body: What was received, byte for byte, before any parsing.
        header: The value of `SIGNATURE_HEADER`: the hex HMAC-SHA256 of the body, in either case, with or without a
            `sha256=` prefix.
        secrets: Every secret that counts; all are tried, and each comparison takes constant time.

    Raises:
        ValueError: A secret is empty: that signs nothing, for anyone has it.
    """
    if not all(secrets):
        raise ValueError("straw: an empty webhook secret signs nothing; configure the secret that Juicebox signs with")
    digits = header.removeprefix("sha256=")
    well_formed = _HEX.fullmatch(digits) is not None
    given = bytes.fromhex(digits) if well_formed else bytes(32)
    matched = False
    for secret in secrets:
        matched |= hmac.compare_digest(hmac.new(secret.encode(), body, hashlib.sha256).digest(), given)
    return matched and well_formed
