"""The client for asyncio.

    async with straw.aio.Client("127.0.0.1:9090") as client:
        async for event in client.subscribe(start="earliest", cursor_store="position"):
            ...

It does what `straw.Client` does, in one task per subscription and without threads, apart from those that call a blocking
cursor store.
"""

from straw.aio._pump import Confirmation
from straw.aio._subscribe import Subscription
from straw.aio.client import Client
from straw.aio.consumer import Consumer, Handler
from straw.aio.download import Download

__all__ = ["Client", "Confirmation", "Consumer", "Download", "Handler", "Subscription"]
