use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::cursor::DynCursorStore;
use crate::hooks::Silent;
pub use crate::v1::OnGap;
use crate::v1::subscribe_request::Start as WireStart;
use crate::v1::{StartPosition, SubscribeRequest};
use crate::{CursorStore, Hooks};

/// Where a subscription begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With what is appended from now on.
    #[default]
    Latest,
    /// With the oldest event that the gateway still has.
    Earliest,
    /// Strictly after a cursor of an event or frame. An empty one is refused by the gateway: it is more likely a position
    /// that was lost than one that never was.
    After(String),
    /// With the first event that was received at or after a time, which must not be in the future.
    At(SystemTime),
}

impl Start {
    fn wire(self) -> WireStart {
        match self {
            Start::Latest => WireStart::StartPosition(StartPosition::Latest.into()),
            Start::Earliest => WireStart::StartPosition(StartPosition::Earliest.into()),
            Start::After(cursor) => WireStart::After(cursor),
            Start::At(time) => WireStart::StartTime(time.into()),
        }
    }
}

/// What to stream, and from where. The default streams every event that is appended from now on.
#[derive(Clone)]
#[must_use]
pub struct SubscribeOptions {
    request: SubscribeRequest,
    start: Start,
    pub(crate) cursors: Option<Arc<dyn DynCursorStore>>,
    pub(crate) cursor_interval: Duration,
    pub(crate) hooks: Arc<dyn Hooks>,
}

/// Bounds how much a crash repeats, at a cost of one synced write a second.
const CURSOR_INTERVAL: Duration = Duration::from_secs(1);

impl Default for SubscribeOptions {
    fn default() -> Self {
        SubscribeOptions {
            request: SubscribeRequest::default(),
            start: Start::default(),
            cursors: None,
            cursor_interval: CURSOR_INTERVAL,
            hooks: Arc::new(Silent),
        }
    }
}

impl SubscribeOptions {
    /// Every event that is appended from now on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only events of these types: exact, `*`, or with a trailing `.*` for one or more segments. None means all.
    pub fn types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.request.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Accept types that look like a misspelled known one.
    pub fn allow_unseen_types(mut self, allow: bool) -> Self {
        self.request.allow_unseen_types = allow;
        self
    }

    /// Only events for which this CEL expression over `event` is true.
    pub fn filter(mut self, expression: impl Into<String>) -> Self {
        self.request.filter = expression.into();
        self
    }

    /// Where to begin when there is no cursor store or it holds nothing yet. Default [`Start::Latest`].
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// What to do when retention has removed what comes next. Default [`OnGap::Fail`]: end with reason `CURSOR_EXPIRED`.
    pub fn on_gap(mut self, on_gap: OnGap) -> Self {
        self.request.on_gap = on_gap.into();
        self
    }

    /// Fill [`Event::raw`](crate::Event::raw) with the webhook's body.
    pub fn include_raw(mut self, include: bool) -> Self {
        self.request.include_raw = include;
        self
    }

    /// End after what existed when the subscription began; after a reconnect, what existed then.
    pub fn end_at_head(mut self, end: bool) -> Self {
        self.request.end_at_head = end;
        self
    }

    /// How often the gateway sends a frame at least: 1 s to 60 s, default 15 s. After two and a half missed ones the
    /// subscription reconnects.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.request.heartbeat_interval = Some(wire_duration(interval));
        self
    }

    /// Most events of one frame. Default 256.
    pub fn max_deliveries(mut self, count: u32) -> Self {
        self.request.max_deliveries_per_response = i32::try_from(count).unwrap_or(i32::MAX);
        self
    }

    /// Holds the position over restarts of the program. It is loaded when the subscription begins, and saved within
    /// the [cursor interval](Self::cursor_interval) of a change and at the end. What it holds counts over the start.
    ///
    /// A program that stores what it made of the events should rather store [`Event::cursor`](crate::Event::cursor) with it,
    /// in one transaction, and begin with [`Start::After`].
    pub fn cursor_store(mut self, store: impl CursorStore) -> Self {
        self.cursors = Some(Arc::new(store));
        self
    }

    /// How long a position goes unsaved at most, and so how much is repeated after a crash. Default 1 s.
    pub fn cursor_interval(mut self, interval: Duration) -> Self {
        self.cursor_interval = interval;
        self
    }

    /// Told what the subscription does.
    pub fn hooks(mut self, hooks: impl Hooks) -> Self {
        self.hooks = Arc::new(hooks);
        self
    }

    pub(crate) fn request(&self) -> SubscribeRequest {
        SubscribeRequest { start: Some(self.start.clone().wire()), ..self.request.clone() }
    }
}

impl fmt::Debug for SubscribeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscribeOptions")
            .field("request", &self.request())
            .field("cursor_store", &self.cursors.is_some())
            .field("cursor_interval", &self.cursor_interval)
            .finish_non_exhaustive()
    }
}

/// As protobuf has it; what is too long for that becomes the longest.
pub(crate) fn wire_duration(duration: Duration) -> prost_types::Duration {
    duration.try_into().unwrap_or(prost_types::Duration { seconds: 315_576_000_000, nanos: 0 })
}

/// What a gateway says; nothing if it isn't a positive duration.
pub(crate) fn positive(duration: Option<prost_types::Duration>) -> Option<Duration> {
    Duration::try_from(duration?).ok().filter(|d| !d.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_reaches_the_request() {
        let when = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let options = SubscribeOptions::new()
            .types(["export.*"])
            .allow_unseen_types(true)
            .filter("true")
            .start(Start::At(when))
            .on_gap(OnGap::Continue)
            .include_raw(true)
            .end_at_head(true)
            .heartbeat_interval(Duration::from_secs(5))
            .max_deliveries(12);
        let want = SubscribeRequest {
            types: vec!["export.*".into()],
            allow_unseen_types: true,
            filter: "true".into(),
            on_gap: OnGap::Continue.into(),
            include_raw: true,
            end_at_head: true,
            heartbeat_interval: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
            max_deliveries_per_response: 12,
            start: Some(WireStart::StartTime(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 })),
            ..SubscribeRequest::default()
        };
        assert_eq!(options.request(), want);
    }

    #[test]
    fn a_gateways_nonsense_is_no_duration() {
        let wire = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
        assert_eq!(positive(wire(2, 500_000_000)), Some(Duration::from_millis(2500)));
        for nonsense in [None, wire(0, 0), wire(-1, 0)] {
            assert_eq!(positive(nonsense), None);
        }
    }
}
