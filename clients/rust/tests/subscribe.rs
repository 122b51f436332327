//! Streams in cursor mode, against a real gateway.

mod support;

use std::time::Duration;

use futures_util::StreamExt;
use straw_client::{
    BoxError, Code, CursorStore, Error, ErrorReason, FileCursor, Payload, Start, SubscribeOptions,
};
use support::gateway::Gateway;
use support::proxy::{Proxy, Treatment};
use support::{Record, client, ids, read, soon};

fn earliest() -> SubscribeOptions {
    SubscribeOptions::new().start(Start::Earliest)
}

#[tokio::test]
async fn a_stream_ends_at_the_head() {
    let gateway = Gateway::start();
    gateway.post(1..=50);
    gateway.post_one(r#"{"id":"evt-51","type":"candidate.moved","data":{}}"#);
    let events: Vec<_> = soon(client(&gateway.grpc).subscribe(earliest().end_at_head(true)).collect()).await;
    let events: Vec<_> = events.into_iter().map(Result::unwrap).collect();
    assert_eq!(events.iter().map(|e| e.id.clone()).collect::<Vec<_>>(), ids(1..=51));
    assert!(matches!(&events[6].payload, Some(Payload::AnalysisCompleted(a)) if a.result_count == Some(7)));
    assert!(matches!(&events[50].payload, Some(Payload::Unrecognized(_))) && !events[50].raw.is_empty());
}

#[tokio::test]
async fn a_cut_in_mid_frame_loses_and_repeats_nothing() {
    let gateway = Gateway::start();
    gateway.post(1..=1000);
    let cuts = [700, 3000, 9001, 20_000, 33_333];
    let proxy = Proxy::start(&gateway.grpc, cuts.map(Treatment::CutAfter).to_vec()).await;
    let record = Record::default();
    let mut events = client(&proxy.address).subscribe(earliest().hooks(record.clone()));
    assert_eq!(read(&mut events, 1000).await, ids(1..=1000));
    assert_eq!(record.count("disconnected"), cuts.len(), "{:?}", record.lines());
    assert_eq!(proxy.connections(), cuts.len() + 1);
}

#[tokio::test]
async fn a_hung_connection_is_replaced() {
    let gateway = Gateway::start();
    gateway.post(1..=500);
    let proxy = Proxy::start(&gateway.grpc, vec![Treatment::HangAfter(5000); 2]).await;
    let record = Record::default();
    let options = earliest().heartbeat_interval(Duration::from_secs(1)).hooks(record.clone());
    let mut events = client(&proxy.address).subscribe(options);
    assert_eq!(read(&mut events, 500).await, ids(1..=500));
    assert_eq!(record.count("disconnected: no frame came in time"), 2, "{:?}", record.lines());
}

/// Only waiting for a frame is timed, not the program.
#[tokio::test]
async fn a_slow_program_is_not_a_hung_connection() {
    let gateway = Gateway::start();
    gateway.post(1..=3);
    let record = Record::default();
    let options =
        earliest().heartbeat_interval(Duration::from_secs(1)).max_deliveries(1).hooks(record.clone());
    let mut events = client(&gateway.grpc).subscribe(options);
    assert_eq!(read(&mut events, 1).await, ids([1]));
    // It is the time that is tested: longer than the patience of 2.5 s.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(read(&mut events, 2).await, ids([2, 3]));
    assert_eq!(record.lines(), ["connected"]);
}

#[tokio::test]
async fn a_gateway_that_was_killed_is_found_again() {
    let mut gateway = Gateway::start();
    gateway.post(1..=10);
    let record = Record::default();
    let mut events = client(&gateway.grpc).subscribe(earliest().hooks(record.clone()));
    assert_eq!(read(&mut events, 10).await, ids(1..=10));
    gateway.kill();
    let (next, ()) = tokio::join!(read(&mut events, 10), async {
        record.has("disconnected", 2).await;
        gateway.restart();
        gateway.post(11..=20);
    });
    assert_eq!(next, ids(11..=20));
}

#[tokio::test]
async fn a_gateway_that_goes_away_is_left_in_peace_for_as_long_as_it_asked() {
    let mut gateway = Gateway::start();
    gateway.post(1..=2);
    let record = Record::default();
    let mut events = client(&gateway.grpc).subscribe(earliest().hooks(record.clone()));
    assert_eq!(read(&mut events, 2).await, ids([1, 2]));
    gateway.terminate();
    gateway.restart();
    gateway.post(3..=3);
    let begin = tokio::time::Instant::now();
    assert_eq!(read(&mut events, 1).await, ids([3]));
    assert!(begin.elapsed() >= Duration::from_millis(950), "it came back after {:?}", begin.elapsed());
    assert!(record.lines()[1].contains("DRAINING"), "{:?}", record.lines());
}

#[tokio::test]
async fn the_gateways_refusals_are_final() {
    let gateway = Gateway::start();
    for (options, code, reason) in [
        (
            SubscribeOptions::new().start(Start::After("nonsense".into())),
            Code::InvalidArgument,
            ErrorReason::InvalidCursor,
        ),
        (earliest().types(["export.raedy"]), Code::InvalidArgument, ErrorReason::UnknownEventType),
        (earliest().filter("event.id =="), Code::InvalidArgument, ErrorReason::InvalidFilter),
    ] {
        let record = Record::default();
        let mut events = client(&gateway.grpc).subscribe(options.hooks(record.clone()));
        let error = soon(events.next()).await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.reason()), (code, reason));
        assert!(soon(events.next()).await.is_none(), "an error is the last");
        assert_eq!(record.lines(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_event_that_is_left_is_not_processed() {
    let gateway = Gateway::start();
    gateway.post(1..=20);
    let folder = tempfile::tempdir().unwrap();
    let options = || earliest().cursor_store(FileCursor::new(folder.path().join("position")));
    let client = client(&gateway.grpc);

    let mut events = client.subscribe(options());
    assert_eq!(read(&mut events, 10).await, ids(1..=10));
    drop(events); // saves what was processed
    let mut events = client.subscribe(options());
    assert_eq!(read(&mut events, 5).await, ids(10..=14), "evt-10 was left");
    events.processed();
    events.close().await.unwrap();
    let mut events = client.subscribe(options().end_at_head(true));
    assert_eq!(read(&mut events, 6).await, ids(15..=20));
    assert!(soon(events.next()).await.is_none());
    assert!(soon(client.subscribe(options().end_at_head(true)).next()).await.is_none(), "all is processed");
}

#[tokio::test]
async fn frames_are_resumed_as_wholes() {
    let gateway = Gateway::start();
    gateway.post(1..=9);
    let folder = tempfile::tempdir().unwrap();
    let options =
        || earliest().max_deliveries(3).cursor_store(FileCursor::new(folder.path().join("position")));
    let client = client(&gateway.grpc);
    let first_event = async |frames: &mut straw_client::Frames| loop {
        let frame = soon(frames.next()).await.unwrap().unwrap();
        if let Some(delivery) = frame.deliveries.first() {
            return (delivery.event.clone().unwrap().id, frame.deliveries.len());
        }
    };
    let mut frames = client.subscribe_frames(options());
    assert_eq!(first_event(&mut frames).await, ("evt-1".into(), 3));
    assert_eq!(first_event(&mut frames).await, ("evt-4".into(), 3));
    frames.close().await.unwrap();
    let mut frames = client.subscribe_frames(options());
    assert_eq!(first_event(&mut frames).await, ("evt-4".into(), 3), "it was left");
    frames.processed();
    frames.close().await.unwrap();
    assert_eq!(first_event(&mut client.subscribe_frames(options())).await, ("evt-7".into(), 3));
}

struct Broken;

impl CursorStore for Broken {
    async fn load(&self) -> Result<Option<String>, BoxError> {
        Ok(None)
    }

    async fn save(&self, _: &str) -> Result<(), BoxError> {
        Err("no space left".into())
    }
}

#[tokio::test]
async fn a_store_that_fails_ends_the_stream() {
    let gateway = Gateway::start();
    gateway.post(1..=2);
    let mut events = client(&gateway.grpc).subscribe(earliest().end_at_head(true).cursor_store(Broken));
    assert_eq!(read(&mut events, 2).await, ids([1, 2]));
    let error = soon(events.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::CursorStore(_)) && error.to_string().contains("no space left"), "{error}");
    assert!(soon(events.next()).await.is_none());
}

/// A wait that is given up, as in `select!`, loses nothing.
#[tokio::test]
async fn waiting_is_cancel_safe() {
    let gateway = Gateway::start();
    let mut events = client(&gateway.grpc).subscribe(earliest());
    for n in 1..=20 {
        // With nothing there it waits, and is dropped.
        assert!(futures_util::FutureExt::now_or_never(events.next()).is_none());
        gateway.post(n..=n);
        assert_eq!(read(&mut events, 1).await, ids([n]));
    }
}
