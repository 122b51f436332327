"""What the driver does with durable subscriptions."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import straw
from straw.v1.event_service_pb2 import StartPosition, SubscribeRequest
from straw.v1.subscription_service_pb2 import (
    AcknowledgeRequest,
    AckResult,
    CreateSubscriptionRequest,
    DeleteSubscriptionRequest,
    ExtendDeadlineRequest,
    GetSubscriptionRequest,
    ListSubscriptionsRequest,
    NackRequest,
    SeekSubscriptionRequest,
    Subscription,
    UpdateSubscriptionRequest,
)

from output import connections, say, say_gap, when

Delivery = straw.Delivery[straw.Confirmation]


@dataclass
class Consume:
    """Consumes a durable subscription."""

    subscription: str
    concurrency: int = 16
    work: int = 0
    handler: dict[str, Any] = field(default_factory=dict)
    form: str = "handler"
    stop_after: int = 0

    def run(self, client: straw.Client, stopped: threading.Event) -> None:
        self._confirmed = 0
        self._stopped = stopped
        hooks = connections(gap=say_gap, settled=self._settled)
        consumer = client.consume(self.subscription, concurrency=self.concurrency, hooks=hooks)
        when(stopped, consumer.stop)
        if self.form == "handler":
            consumer.run(self._handle)
        elif self.form == "iterator":
            for delivery in consumer:
                self._iterated(delivery)
        else:
            raise SystemExit(f"form: {self.form!r}")
        say(end=True)

    def _settled(self, settlement: straw.Settlement) -> None:
        if settlement.status is None:
            return  # it was not confirmed; the end says so
        say(done=settlement.delivery.event.id, status=settlement.status.value)
        self._confirmed += 1
        if self._confirmed == self.stop_after:
            self._stopped.set()

    def _iterated(self, delivery: Delivery) -> None:
        try:
            self._handle(delivery)
        except RuntimeError as error:
            delivery.nack(str(error))
        else:
            delivery.ack()

    def _handle(self, delivery: Delivery) -> None:
        say(event=delivery.event.id, attempt=delivery.attempt)
        if self.work:
            threading.Event().wait(self.work / 1000)
        action = self.handler.get(delivery.event.id, self.handler.get("default", "ack"))
        match action:
            case "ack":
                pass
            case "fail":
                raise RuntimeError("told to fail")
            case "dead_letter":
                delivery.nack("told to dead-letter", dead_letter=True)
            case "release":
                delivery.nack(release=True)
            case "hang":
                self._stopped.wait()
                delivery.nack(release=True)
            case {"retry_delay": delay}:
                delivery.nack("told to retry later", retry_delay=delay / 1000)
            case _:
                raise SystemExit(f"there is no action {action!r}")


@dataclass
class Settle:
    """Takes deliveries off a raw stream and settles them in calls of its own."""

    subscription: str
    count: int
    acks: list[dict[str, Any]]

    def run(self, client: straw.Client, _: threading.Event) -> None:
        stream = client.events.Subscribe(SubscribeRequest(subscription_id=self.subscription))
        deliveries: list[Any] = []
        for frame in stream:
            deliveries.extend(frame.deliveries)
            if len(deliveries) >= self.count:
                break
        say(deliveries=[delivery.event.id for delivery in deliveries[: self.count]])
        for call in self.acks:
            ids = [deliveries[each].ack_id if isinstance(each, int) else each for each in call["ids"]]
            results = self._call(client, call["do"], ids)
            say(results=[AckResult.Status.Name(result.status) for result in results])
        stream.cancel()
        say(end=True)

    def _call(self, client: straw.Client, do: str, ids: list[str]) -> Any:
        stub = client.subscriptions
        match do:
            case "ack":
                return stub.Acknowledge(AcknowledgeRequest(subscription_id=self.subscription, ack_ids=ids)).results
            case "nack":
                return stub.Nack(NackRequest(subscription_id=self.subscription, ack_ids=ids)).results
            case "extend":
                return stub.ExtendDeadline(ExtendDeadlineRequest(subscription_id=self.subscription, ack_ids=ids)).results
        raise SystemExit(f"do: {do!r}")


@dataclass
class Manage:
    """Manages a subscription from its creation to its end."""

    subscription: str
    types: list[str] = field(default_factory=list)

    def run(self, client: straw.Client, _: threading.Event) -> None:
        stub, name = client.subscriptions, self.subscription
        definition = Subscription(id=name, types=self.types)
        say(created=stub.CreateSubscription(CreateSubscriptionRequest(subscription=definition)).id)
        say(got=stub.GetSubscription(GetSubscriptionRequest(id=name)).id)
        say(listed=self._list(client))
        for paused in (True, False):
            request = UpdateSubscriptionRequest(subscription=Subscription(id=name, paused=paused))
            request.update_mask.paths.append("paused")
            say(paused=stub.UpdateSubscription(request).paused)
        seek = SeekSubscriptionRequest(subscription_id=name, start_position=StartPosition.EARLIEST, dry_run=True)
        say(owed=stub.SeekSubscription(seek).owed_count)
        stub.DeleteSubscription(DeleteSubscriptionRequest(id=name))
        say(deleted=True)
        stub.GetSubscription(GetSubscriptionRequest(id=name))

    def _list(self, client: straw.Client) -> list[str]:
        names: list[str] = []
        request = ListSubscriptionsRequest(page_size=1)
        while True:
            page = client.subscriptions.ListSubscriptions(request)
            names.extend(subscription.id for subscription in page.subscriptions)
            if not page.next_page_token:
                return names
            request.page_token = page.next_page_token
