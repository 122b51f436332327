//! The lines that the driver prints.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use straw_client::{Code, Error, Event, Frame, Gap, Hooks, Payload};

/// Prints a line, at once.
///
/// # Panics
///
/// If nobody reads it.
#[allow(clippy::needless_pass_by_value, reason = "it is given what json! has just made")]
pub fn say(line: Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .expect("whoever started the driver reads what it prints");
}

/// Prints what retention has removed.
pub fn say_gap(gap: &Gap) {
    say(json!({"gap": {"requested": gap.requested, "oldest": gap.oldest}}));
}

/// Prints how something ended.
pub fn say_end(end: Result<(), Error>) {
    match end {
        Ok(()) => say(json!({"end": true})),
        Err(error) => say(failure(&error)),
    }
}

/// The line of an error.
pub fn failure(error: &Error) -> Value {
    let metadata = error.failure().map(straw_client::Failure::metadata);
    json!({"error": {
        "code": code_name(error.code()),
        "reason": reason(error),
        "metadata": metadata.cloned().unwrap_or_default(),
        "message": error.to_string(),
    }})
}

/// The name of an error's reason; empty if it has none.
pub fn reason(error: &Error) -> &str {
    error.failure().map_or("", straw_client::Failure::reason_name)
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The line of an event.
pub fn describe(event: &Event) -> Value {
    let payload = match &event.payload {
        Some(Payload::AnalysisCompleted(_)) => "analysis_completed",
        Some(Payload::DatasetUpdated(_)) => "dataset_updated",
        Some(Payload::ExportReady(_)) => "export_ready",
        Some(Payload::QuotaWarning(_)) => "quota_warning",
        Some(Payload::SearchAlert(_)) => "search_alert",
        Some(Payload::ExportStored(_)) => "export_stored",
        Some(Payload::ExportFailed(_)) => "export_failed",
        Some(Payload::Unrecognized(_)) => "unrecognized",
        None => "",
    };
    let mut line =
        json!({"event": event.id, "type": event.r#type, "payload": payload, "cursor": event.cursor});
    if !event.raw.is_empty() {
        line["raw"] = true.into();
    }
    line
}

/// Tells of a stream's connections.
pub struct Connections;

impl Hooks for Connections {
    fn connected(&self, _: &Frame) {
        say(json!({"connected": true}));
    }

    fn disconnected(&self, error: &Error, _: Duration) {
        say(json!({"disconnected": reason(error)}));
    }
}
