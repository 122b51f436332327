"""Client of Straw, the event gateway for Juicebox webhooks.

    with straw.Client("127.0.0.1:9090") as client:
        for event in client.subscribe(start="earliest", cursor_store="position"):
            match straw.payload(event):
                case straw.AnalysisCompleted() as done:
                    fetch_results(done.analysis_id)
                case straw.Unrecognized() | None:
                    log.warning("unrecognized event %s of type %s", event.id, event.type)

A subscription is endless: it reconnects when the gateway restarts, the network fails or the stream falls silent, and goes on
after the last event that was processed. `straw.aio` has the same for asyncio.

The package never retries what a retry can't help, and never hides a gap. It logs under the name `straw`.
"""

from straw._core.durable import ConsumeOptions
from straw._core.request import After, AsyncSubscribeOptions, Start, SubscribeOptions
from straw._core.target import DEFAULT_ADDRESS, TLS
from straw._pump import Confirmation
from straw._subscribe import Subscription
from straw.client import Client
from straw.consumer import Consumer, Handler
from straw.cursor import AsyncCursorStore, CursorStore, FileCursor
from straw.delivery import Ack, Delivery, Nack, Settlement, Status
from straw.download import Download
from straw.errors import ChecksumError, ClosedError, ExportChangedError, SilentError, StrawError
from straw.events import *  # noqa: F403
from straw.events import __all__ as _events
from straw.hooks import Hooks
from straw.signature import SIGNATURE_HEADER, verify_signature

__all__ = [
    "DEFAULT_ADDRESS",
    "SIGNATURE_HEADER",
    "TLS",
    "Ack",
    "After",
    "AsyncCursorStore",
    "AsyncSubscribeOptions",
    "ChecksumError",
    "Client",
    "ClosedError",
    "Confirmation",
    "ConsumeOptions",
    "Consumer",
    "CursorStore",
    "Delivery",
    "Download",
    "ExportChangedError",
    "FileCursor",
    "Handler",
    "Hooks",
    "Nack",
    "Settlement",
    "SilentError",
    "Start",
    "Status",
    "StrawError",
    "Subscription",
    "SubscribeOptions",
    "verify_signature",
    *_events,
]
