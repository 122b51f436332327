//! Durable consumers, against a real gateway.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use straw_client::v1::{
    CreateSubscriptionRequest, GetSubscriptionRequest, ListDeadLettersRequest, SeekSubscriptionRequest,
    StartPosition, Subscription, seek_subscription_request, subscription,
};
use straw_client::{AckStatus, Client, ConsumeOptions, Delivery, Error, ErrorReason, Nack};
use support::gateway::Gateway;
use support::proxy::{Proxy, Treatment};
use support::{Record, client, eventually, ids, soon};
use tokio::sync::{Notify, Semaphore, oneshot};

const BILLING: &str = "billing";

/// Creates the subscription, from the earliest event.
async fn create(client: &Client, ack_deadline: Duration, max_attempts: Option<i32>) {
    let subscription = Subscription {
        id: BILLING.into(),
        start: Some(subscription::Start::StartPosition(StartPosition::Earliest.into())),
        ack_deadline: Some(ack_deadline.try_into().unwrap()),
        max_attempts,
        ..Subscription::default()
    };
    let request = CreateSubscriptionRequest { subscription: Some(subscription) };
    client.subscriptions().create_subscription(request).await.unwrap();
}

async fn get(client: &Client) -> Subscription {
    let request = GetSubscriptionRequest { id: BILLING.into() };
    client.subscriptions().get_subscription(request).await.unwrap().into_inner()
}

async fn nothing_is_owed(client: &Client) {
    eventually("the backlog is 0", || async { get(client).await.backlog == 0 }).await;
}

/// The reasons of the dead letters, by event.
async fn dead_letters(client: &Client) -> Vec<(String, String)> {
    let request =
        ListDeadLettersRequest { subscription_id: BILLING.into(), ..ListDeadLettersRequest::default() };
    let page = client.subscriptions().list_dead_letters(request).await.unwrap().into_inner();
    page.dead_letters.into_iter().map(|d| (d.event.unwrap().id, d.reason)).collect()
}

fn options(record: &Record) -> ConsumeOptions {
    ConsumeOptions::new(BILLING).hooks(record.clone())
}

/// Consumes until so many settlements were confirmed, with a handler that notes what it gets and does as told.
async fn consume_until(
    client: &Client,
    options: ConsumeOptions,
    record: &Record,
    settled: usize,
    what: fn(&Delivery) -> Result<(), Nack>,
) {
    let (seen, watched) = (record.clone(), record.clone());
    let handler = move |delivery: Delivery| {
        seen.add(format!("handled {}/{}", delivery.event.id, delivery.attempt));
        async move { what(&delivery) }
    };
    let enough = async move { watched.has("settled ACKED", settled).await };
    soon(client.consume(options, handler).with_graceful_shutdown(enough).into_future()).await.unwrap();
}

#[tokio::test]
async fn each_event_is_handled_and_acknowledged_once() {
    let gateway = Gateway::start();
    let client = client(&gateway.grpc);
    create(&client, Duration::from_secs(30), None).await;
    gateway.post(1..=300);
    let record = Record::default();
    consume_until(&client, options(&record), &record, 300, |_| Ok(())).await;
    let mut handled: Vec<String> = record.lines().into_iter().filter(|l| l.starts_with("handled")).collect();
    handled.sort();
    let mut want: Vec<String> = ids(1..=300).iter().map(|id| format!("handled {id}/1")).collect();
    want.sort();
    assert_eq!(handled, want);
    nothing_is_owed(&client).await;
}

#[tokio::test]
async fn a_handler_settles_as_it_likes() {
    let gateway = Gateway::start();
    let client = client(&gateway.grpc);
    create(&client, Duration::from_secs(30), Some(2)).await;
    gateway.post(1..=5);
    let record = Record::default();
    consume_until(&client, options(&record), &record, 9, |delivery| {
        match (delivery.event.id.as_str(), delivery.attempt) {
            ("evt-1", _) => Err(std::io::Error::other("no disk"))?,
            ("evt-2", _) => Err(Nack::dead_letter().because("never again")),
            ("evt-3", 1) => Err(Nack::release()),
            ("evt-4", 1) => Err(Nack::retry_after(Duration::from_millis(1500))),
            ("evt-5", 1) => panic!("a bug"),
            _ => Ok(()),
        }
    })
    .await;
    for (event, attempts) in [("evt-1", 2), ("evt-2", 1), ("evt-3", 2), ("evt-4", 2), ("evt-5", 2)] {
        assert_eq!(record.count(&format!("handled {event}/")), attempts, "{event}: {:?}", record.lines());
    }
    let mut letters = dead_letters(&client).await;
    letters.sort();
    let text = |event: &str, reason: &str| (event.to_owned(), reason.to_owned());
    assert_eq!(letters, [text("evt-1", "no disk"), text("evt-2", "never again")]);
    nothing_is_owed(&client).await;
}

#[tokio::test]
async fn a_panic_fails_its_event() {
    let gateway = Gateway::start();
    let client = client(&gateway.grpc);
    create(&client, Duration::from_secs(30), Some(1)).await;
    gateway.post(1..=2);
    let record = Record::default();
    consume_until(&client, options(&record), &record, 2, |delivery| {
        assert!(delivery.event.id != "evt-1", "a bug");
        Ok(())
    })
    .await;
    assert_eq!(dead_letters(&client).await, [("evt-1".into(), "the handler panicked".into())]);
}

#[tokio::test]
async fn no_more_run_at_once_than_allowed() {
    let gateway = Gateway::start();
    let client = client(&gateway.grpc);
    create(&client, Duration::from_secs(30), None).await;
    gateway.post(1..=40);
    let record = Record::default();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, highest) = (Arc::clone(&running), Arc::clone(&most));
    let handler = move |_: Delivery| {
        highest.fetch_max(counter.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let counter = Arc::clone(&counter);
        async move {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(5)).await; // as work would take
            counter.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Nack>(())
        }
    };
    let watched = record.clone();
    let enough = async move { watched.has("settled ACKED", 40).await };
    let consumer = client.consume(options(&record).concurrency(4), handler).with_graceful_shutdown(enough);
    soon(consumer.into_future()).await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 4);
}

/// Handlers that take longer than the deadline, three times over, get each event once.
#[tokio::test]
async fn deadlines_are_extended() {
    let gateway = Gateway::start();
    let client = client(&gateway.grpc);
    create(&client, Duration::from_secs(1), None).await;
    gateway.post(1..=4);
    let record = Record::default();
    let (seen, watched) = (record.clone(), record.clone());
    let handler = move |delivery: Delivery| {
        seen.add(format!("handled {}/{}", delivery.event.id, delivery.attempt));
        async {
            tokio::time::sleep(Duration::from_millis(3200)).await;
            Ok::<_, Nack>(())
        }
    };
    let enough = async move { watched.has("settled ACKED", 4).await };
    // Two run, and two wait for them: their deadlines are extended as well.
    let consumer = client.consume(options(&record).concurrency(2), handler).with_graceful_shutdown(enough);
    soon(consumer.into_future()).await.unwrap();
    assert_eq!(record.count("handled"), 4, "{:?}", record.lines());
    assert_eq!(get(&client).await.dead_letter_count, 0);
}

#[tokio::test]
async fn a_drain_ends_what_was_begun_and_gives_back_the_rest() {
    let gateway = Gateway::start();
    let client = client(&gateway.grpc);
    create(&client, Duration::from_secs(60), None).await;
    gateway.post(1..=40);
    let first = Record::default();
    let gate = Arc::new(Semaphore::new(0));
    let (seen, opened) = (first.clone(), Arc::clone(&gate));
    let handler = move |delivery: Delivery| {
        seen.add(format!("handled {}", delivery.event.id));
        let opened = Arc::clone(&opened);
        async move {
            let _permit = opened.acquire().await;
            Ok::<_, Nack>(())
        }
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let draining = tokio::spawn(
        client
            .consume(options(&first).concurrency(4), handler)
            .with_graceful_shutdown(async move { _ = stopped.await })
            .into_future(),
    );
    first.has("handled", 4).await;
    stop.send(()).unwrap();

    // Another one gets all that the first had not begun, while that drains.
    let second = Record::default();
    consume_until(&client, options(&second), &second, 36, |_| Ok(())).await;
    assert_eq!(first.count("settled"), 0, "nothing is settled before its handler ends");
    gate.add_permits(4);
    soon(draining).await.unwrap().unwrap();
    assert_eq!(first.count("handled"), 4);
    assert_eq!(first.count("settled ACKED"), 4, "{:?}", first.lines());
    assert_eq!(second.count("handled"), 36);
    nothing_is_owed(&client).await;
}

#[tokio::test]
async fn a_drain_is_bounded() {
    let gateway = Gateway::start();
    let client = client(&gateway.grpc);
    create(&client, Duration::from_secs(60), None).await;
    gateway.post(1..=1);
    let record = Record::default();
    let running = Arc::new(Notify::new());
    let (begin, stop) = (Arc::clone(&running), Arc::clone(&running));
    let handler = move |_: Delivery| {
        begin.notify_one();
        std::future::pending::<Result<(), Nack>>()
    };
    let consumer = client
        .consume(options(&record).drain_timeout(Duration::from_millis(100)), handler)
        .with_graceful_shutdown(async move { stop.notified().await });
    let error = soon(consumer.into_future()).await.unwrap_err();
    assert!(matches!(error, Error::Drain(1)), "{error}");
    assert_eq!(get(&client).await.backlog, 1, "it is still owed");
}

/// What is being handled when the gateway is killed is acknowledged once it is back, and comes to no handler twice.
#[tokio::test]
async fn a_killed_gateway_gets_its_acknowledgements_later() {
    let mut gateway = Gateway::start();
    let client = client(&gateway.grpc);
    create(&client, Duration::from_secs(60), None).await;
    gateway.post(1..=8);
    let record = Record::default();
    let gate = Arc::new(Semaphore::new(0));
    let (seen, opened, watched) = (record.clone(), Arc::clone(&gate), record.clone());
    let handler = move |delivery: Delivery| {
        seen.add(format!("handled {}", delivery.event.id));
        let opened = Arc::clone(&opened);
        async move {
            _ = opened.acquire().await;
            Ok::<_, Nack>(())
        }
    };
    let enough = async move { watched.has("settled", 8).await };
    let consumer =
        tokio::spawn(client.consume(options(&record), handler).with_graceful_shutdown(enough).into_future());
    record.has("handled", 8).await;
    gateway.kill();
    gate.add_permits(8);
    record.has("disconnected", 2).await;
    gateway.restart();
    soon(consumer).await.unwrap().unwrap();
    assert_eq!(record.count("handled"), 8, "{:?}", record.lines());
    assert_eq!(
        record.count("settled ACKED") + record.count("settled ALREADY_ACKED"),
        8,
        "{:?}",
        record.lines()
    );
    nothing_is_owed(&client).await;
}

#[tokio::test]
async fn a_hung_connection_is_replaced_for_acknowledgements_too() {
    let gateway = Gateway::start();
    create(&client(&gateway.grpc), Duration::from_secs(60), None).await;
    gateway.post(1..=200);
    let proxy = Proxy::start(&gateway.grpc, vec![Treatment::HangAfter(6000)]).await;
    let record = Record::default();
    let options = options(&record).heartbeat_interval(Duration::from_secs(1));
    let through = client(&proxy.address);
    let (seen, watched) = (record.clone(), record.clone());
    let handler = move |delivery: Delivery| {
        seen.add(format!("handled {}", delivery.event.id));
        async { Ok::<_, Nack>(()) }
    };
    let direct = client(&gateway.grpc);
    let enough = async move {
        watched.has("connected", 2).await;
        nothing_is_owed(&direct).await;
    };
    soon(through.consume(options, handler).with_graceful_shutdown(enough).into_future()).await.unwrap();
    assert_eq!(record.count("disconnected: no frame came in time"), 1, "{:?}", record.lines());
    assert!(proxy.connections() >= 2);
}

#[tokio::test]
async fn deliveries_are_settled_in_batches_and_confirmed() {
    let gateway = Gateway::start();
    let client = client(&gateway.grpc);
    create(&client, Duration::from_secs(30), None).await;
    gateway.post(1..=100);
    let record = Record::default();
    let mut deliveries = client.deliveries(options(&record).concurrency(100));
    let mut held = Vec::new();
    while held.len() < 100 {
        held.push(soon(deliveries.next()).await.unwrap().unwrap());
    }
    assert_eq!(held.iter().map(|d| d.event.id.clone()).collect::<Vec<_>>(), ids(1..=100));
    let confirmations: Vec<_> = held.into_iter().map(Delivery::ack).collect();
    for confirmation in confirmations {
        assert_eq!(soon(confirmation).await.unwrap(), AckStatus::Acked);
    }
    soon(deliveries.close()).await.unwrap();
    nothing_is_owed(&client).await;
}

#[tokio::test]
async fn what_is_dropped_comes_again() {
    let gateway = Gateway::start();
    let client = client(&gateway.grpc);
    create(&client, Duration::from_secs(30), None).await;
    gateway.post(1..=1);
    let record = Record::default();
    let mut deliveries = client.deliveries(options(&record));
    drop(soon(deliveries.next()).await.unwrap().unwrap());
    let again = soon(deliveries.next()).await.unwrap().unwrap();
    assert_eq!((again.event.id.as_str(), again.attempt), ("evt-1", 2));
    assert_eq!(soon(again.nack(Nack::release())).await.unwrap(), AckStatus::Acked);
    let released = soon(deliveries.next()).await.unwrap().unwrap();
    assert_eq!(soon(released.ack()).await.unwrap(), AckStatus::Acked);
    soon(deliveries.close()).await.unwrap();
}

/// A seek makes an event come anew although it is being handled, and its acknowledgement is STALE then.
#[tokio::test]
async fn a_seek_sends_anew_what_is_in_hand() {
    let gateway = Gateway::start();
    let client = client(&gateway.grpc);
    create(&client, Duration::from_secs(30), None).await;
    gateway.post(1..=1);
    let record = Record::default();
    let mut deliveries = client.deliveries(options(&record));
    let before = soon(deliveries.next()).await.unwrap().unwrap();
    let request = SeekSubscriptionRequest {
        subscription_id: BILLING.into(),
        start: Some(seek_subscription_request::Start::StartPosition(StartPosition::Earliest.into())),
        dry_run: false,
    };
    client.subscriptions().seek_subscription(request).await.unwrap();
    let after = soon(deliveries.next()).await.unwrap().unwrap();
    assert_eq!((after.event.id.as_str(), after.attempt), ("evt-1", 1));
    assert_eq!(soon(before.ack()).await.unwrap(), AckStatus::Stale);
    assert_eq!(soon(after.ack()).await.unwrap(), AckStatus::Acked);
    soon(deliveries.close()).await.unwrap();
}

#[tokio::test]
async fn a_subscription_that_is_not_there_is_an_error() {
    let gateway = Gateway::start();
    let client = client(&gateway.grpc);
    let error =
        soon(client.consume(ConsumeOptions::new("nobody"), |_| async { Ok::<_, Nack>(()) }).into_future())
            .await
            .unwrap_err();
    assert_eq!(error.reason(), ErrorReason::SubscriptionNotFound);
    assert_eq!(error.failure().unwrap().metadata()["id"], "nobody");
    let mut deliveries = client.deliveries(ConsumeOptions::new("nobody"));
    assert!(soon(deliveries.next()).await.unwrap().is_err());
    assert!(soon(deliveries.next()).await.is_none());
}
