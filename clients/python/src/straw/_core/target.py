"""Where a gateway is, and how to connect to it."""

from __future__ import annotations

import ipaddress
import json
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import grpc

from straw.errors import StrawError

DEFAULT_ADDRESS: Final = "127.0.0.1:9090"
"""Where a gateway listens for gRPC unless told otherwise."""

ChannelOptions = Sequence[tuple[str, Any]]


@dataclass(frozen=True)
class TLS:
    """How to connect over TLS. All of it is PEM; see `from_files`.

    Attributes:
        roots: Certificates to trust instead of the system's.
        certificate: The client's certificate with its chain, for mutual TLS.
        key: The private key of the certificate.
    """

    roots: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("straw: mutual TLS needs both a certificate and its key")

    def __repr__(self) -> str:
        return f"TLS(roots={'own' if self.roots else 'system'}, mutual={self.certificate is not None})"

    @classmethod
    def from_files(
        cls,
        roots: str | os.PathLike[str] | None = None,
        certificate: str | os.PathLike[str] | None = None,
        key: str | os.PathLike[str] | None = None,
    ) -> TLS:
        """Read the PEM files. Raises OSError."""
        return cls(*(None if path is None else _read(path) for path in (roots, certificate, key)))

    def credentials(self) -> grpc.ChannelCredentials:
        """Return them for gRPC."""
        roots = self.roots if self.roots is not None else _system_roots()
        return grpc.ssl_channel_credentials(roots, self.key, self.certificate)


@dataclass(frozen=True)
class Target:
    """A gateway's address, and the credentials of channels to it; None means plaintext."""

    address: str
    credentials: grpc.ChannelCredentials | None
    options: ChannelOptions

    def channel_options(self, *, fresh: bool) -> list[tuple[str, Any]]:
        """Return a channel's options; one that is `fresh` shares no connection with any other."""
        options = [*_OPTIONS, *self.options]
        if fresh:
            options.append(("grpc.use_local_subchannel_pool", 1))
        return options


def target(address: str, tls: TLS | bool | None, *, has_token: bool, options: ChannelOptions) -> Target:
    """Decide how to connect to an address. Raises ValueError for what can't be, or mustn't."""
    host, local = _parse(address or DEFAULT_ADDRESS)
    secure = not local if tls is None else bool(tls)
    if has_token and not secure and not local:
        raise ValueError(f"straw: a token sent to {host} without TLS could be read on the way; connect with tls=True")
    credentials = None
    if secure:
        credentials = (tls if isinstance(tls, TLS) else TLS()).credentials()
    return Target(address or DEFAULT_ADDRESS, credentials, options)


def no_token(error: Exception) -> StrawError:
    """Return what a call fails with when the program's source of tokens does."""
    return StrawError(grpc.StatusCode.UNAUTHENTICATED, f"the token could not be had: {error}")


def _parse(address: str) -> tuple[str, bool]:
    """Return the address' host, and whether it is this machine."""
    if address.startswith(("unix:", "unix-abstract:")):
        return "", True
    authority = address.rsplit("/", 1)[-1] if "://" in address else address.removeprefix("dns:")
    host, colon, port = authority.rpartition(":")
    if not colon or not port.isdigit() or not host or (":" in host and not host.startswith("[")):
        raise ValueError(f"straw: gateway address {address!r} isn't host:port, such as {DEFAULT_ADDRESS}")
    host = host.strip("[]")
    try:
        return host, ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host, host == "localhost"


def _read(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        return file.read()


# Where the systems keep the certificates that they trust, beside what OpenSSL was built for.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def _system_roots() -> bytes | None:
    """Return the system's roots in PEM, or None to use those that come with gRPC."""
    for path in (ssl.get_default_verify_paths().cafile, *_BUNDLES):
        if path and os.path.isfile(path):
            return _read(path)
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(ssl.DER_cert_to_PEM_cert(c) for c in certificates).encode() or None


def _version() -> str:
    try:
        return version("straw-gateway")
    except PackageNotFoundError:  # run from a checkout
        return "dev"


def _retry_reads() -> str:
    """Let gRPC itself repeat the calls that only read, when the gateway can't be reached for a moment."""
    reads = {
        "EventService": ("GetEvent", "ListEvents"),
        "SubscriptionService": ("GetSubscription", "ListSubscriptions", "ListDeadLetters"),
        "ExportService": ("GetExport", "ListExports"),
        "GatewayService": ("GetStatus",),
    }
    names = [{"service": f"straw.v1.{s}", "method": m} for s, methods in reads.items() for m in methods]
    policy = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": policy}]})


_OPTIONS: ChannelOptions = (
    ("grpc.primary_user_agent", f"straw-python/{_version()}"),
    # An event of the largest size (3 MiB) with room to spare.
    ("grpc.max_receive_message_length", 8 << 20),
    # Heartbeats tell a dead stream; pings are for calls that are waiting, and for connections that a NAT has dropped.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Subscriptions wait by themselves; gRPC's own wait, up to two minutes, would come on top.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 10_000),  # in spite of its name: what a try to connect may take
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.service_config", _retry_reads()),
)
