use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use prost::Message;
pub use tonic::Code;

use crate::{ErrorReason, Gap};

/// Any error, as callbacks return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A call failed: at the gateway, or on the way to it. See [`Failure::reason`].
    Call(Arc<Failure>),
    /// Retention has removed events before they were read. A subscription with [`OnGap::Continue`](crate::OnGap::Continue)
    /// yields it in place of the lost events and then goes on: poll it again once what was lost has been had from elsewhere.
    Gap(Gap),
    /// The client can't be made as asked for, or an option can't be meant; a sentence says what and why.
    Config(String),
    /// The [cursor store](crate::CursorStore) failed.
    CursorStore(Arc<BoxError>),
    /// A newer generation of the export has taken the place of the one that was downloaded: begin anew.
    ExportChanged,
    /// The downloaded bytes are not those that the gateway stored.
    Checksum {
        /// What the bytes sum up to, in hex.
        got: String,
        /// What they should, in hex.
        want: String,
    },
    /// What was downloaded before couldn't be read.
    Resume(Arc<std::io::Error>),
    /// A consumer was shut down, and after the drain timeout so many deliveries were still unsettled; they come again.
    Drain(usize),
}

/// Why a call failed.
#[derive(Clone, Debug)]
pub struct Failure {
    status: tonic::Status,
    own: bool,
    reason: String,
    metadata: HashMap<String, String>,
}

/// Marks a gateway's own errors.
const DOMAIN: &str = "straw.v1";

impl Failure {
    /// The status code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.status.code()
    }

    /// Why, as documented with [`ErrorReason`]. Unspecified if the error isn't the gateway's own (a proxy's, or
    /// the transport's), or if the gateway is newer than this client.
    #[must_use]
    pub fn reason(&self) -> ErrorReason {
        ErrorReason::from_str_name(&self.reason).unwrap_or(ErrorReason::Unspecified)
    }

    /// The reason's name as sent, such as `CURSOR_EXPIRED`; empty if the error isn't the gateway's own.
    #[must_use]
    pub fn reason_name(&self) -> &str {
        &self.reason
    }

    /// What the reason is about, such as `oldest` for [`ErrorReason::CursorExpired`].
    #[must_use]
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }

    /// A sentence for people.
    #[must_use]
    pub fn message(&self) -> &str {
        self.status.message()
    }

    /// The status as received, with its details.
    #[must_use]
    pub fn status(&self) -> &tonic::Status {
        &self.status
    }

    /// Whether calling again can help. A gateway's own errors say so by their code; the transport's and a proxy's are about
    /// the connection, unless they are about the caller or the call.
    pub(crate) fn retryable(&self) -> bool {
        match self.code() {
            Code::Unavailable => true,
            Code::Internal | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded | Code::Aborted => {
                !self.own
            }
            _ => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason.as_str() {
            "" => write!(f, "{} ({:?})", self.message(), self.code()),
            reason => write!(f, "{} ({:?}, {reason})", self.message(), self.code()),
        }
    }
}

impl Error {
    /// The failed call, if it is one.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Error::Call(failure) => Some(failure),
            _ => None,
        }
    }

    /// The status code of a failed call; of other errors the one that comes nearest.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Error::Call(failure) => failure.code(),
            Error::Gap(_) => Code::OutOfRange,
            Error::Config(_) => Code::InvalidArgument,
            Error::CursorStore(_) | Error::Resume(_) => Code::Unknown,
            Error::ExportChanged => Code::Aborted,
            Error::Checksum { .. } => Code::DataLoss,
            Error::Drain(_) => Code::DeadlineExceeded,
        }
    }

    /// [`Failure::reason`] of a failed call; unspecified for any other error.
    #[must_use]
    pub fn reason(&self) -> ErrorReason {
        self.failure().map_or(ErrorReason::Unspecified, Failure::reason)
    }

    pub(crate) fn retryable(&self) -> bool {
        self.failure().is_some_and(Failure::retryable)
    }

    pub(crate) fn unavailable(message: &str) -> Error {
        tonic::Status::unavailable(message).into()
    }

    pub(crate) fn cursor_store(error: impl Into<BoxError>) -> Error {
        Error::CursorStore(Arc::new(error.into()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Call(failure) => failure.fmt(f),
            Error::Gap(Gap { requested, oldest }) if requested.is_empty() => {
                write!(
                    f,
                    "events were lost: retention had removed them while they were still owed; going on from {oldest:?}"
                )
            }
            Error::Gap(Gap { requested, oldest }) => write!(
                f,
                "events were lost: retention had removed what came after cursor {requested:?}; going on from {oldest:?}"
            ),
            Error::Config(what) => f.write_str(what),
            Error::CursorStore(error) => write!(f, "the cursor store: {error}"),
            Error::ExportChanged => {
                f.write_str("the export was fetched anew while it was downloaded; begin anew")
            }
            Error::Checksum { got, want } => {
                write!(
                    f,
                    "the downloaded bytes don't match the export's checksum: it is {got} instead of {want}"
                )
            }
            Error::Resume(error) => write!(f, "reading what was downloaded before: {error}"),
            Error::Drain(count) => {
                write!(
                    f,
                    "{count} deliveries were not settled within the drain timeout; they will come again"
                )
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Call(failure) => Some(&failure.status),
            Error::CursorStore(error) => Some(&***error),
            Error::Resume(error) => Some(&**error),
            _ => None,
        }
    }
}

/// So that `?` works on calls through the generated stubs.
impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Error {
        let info = error_info(status.details());
        let own = info.is_some();
        let (reason, metadata) = info.map(|i| (i.reason, i.metadata)).unwrap_or_default();
        Error::Call(Arc::new(Failure { status, own, reason, metadata }))
    }
}

fn error_info(details: &[u8]) -> Option<ErrorInfo> {
    let status = Status::decode(details).ok()?;
    status
        .details
        .iter()
        .filter(|any| any.type_url.ends_with("/google.rpc.ErrorInfo"))
        .filter_map(|any| ErrorInfo::decode(any.value.as_slice()).ok())
        .find(|info| info.domain == DOMAIN)
}

/// `google.rpc.Status`, as far as it is needed.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An error as a gateway sends it.
    pub(crate) fn gateway_error(code: Code, domain: &str, reason: &str) -> Error {
        let info = ErrorInfo {
            reason: reason.into(),
            domain: domain.into(),
            metadata: HashMap::from([("oldest".into(), "c8".into())]),
        };
        let any = prost_types::Any {
            type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(),
            value: info.encode_to_vec(),
        };
        let details = Status { details: vec![any] }.encode_to_vec();
        tonic::Status::with_details(code, "what happened", details.into()).into()
    }

    #[test]
    fn a_gateways_error_has_its_reason() {
        let error = gateway_error(Code::OutOfRange, DOMAIN, "CURSOR_EXPIRED");
        let failure = error.failure().unwrap();
        assert_eq!(error.reason(), ErrorReason::CursorExpired);
        assert_eq!(failure.metadata()["oldest"], "c8");
        assert_eq!(error.to_string(), "what happened (OutOfRange, CURSOR_EXPIRED)");
    }

    #[test]
    fn a_newer_reason_keeps_its_name() {
        let error = gateway_error(Code::OutOfRange, DOMAIN, "MOON_PHASE");
        assert_eq!(error.reason(), ErrorReason::Unspecified);
        assert_eq!(error.failure().unwrap().reason_name(), "MOON_PHASE");
    }

    #[test]
    fn another_domain_or_broken_details_have_no_reason() {
        let foreign = gateway_error(Code::Internal, "example.com", "DRAINING");
        let broken: Error = tonic::Status::with_details(Code::Internal, "x", vec![0xff, 1].into()).into();
        for error in [foreign, broken] {
            assert_eq!(error.failure().unwrap().reason_name(), "");
        }
    }

    #[test]
    fn what_a_retry_can_help() {
        use Code::{
            Aborted, Cancelled, DeadlineExceeded, Internal, InvalidArgument, NotFound, PermissionDenied,
        };
        use Code::{ResourceExhausted, Unauthenticated, Unavailable, Unknown};
        for code in [Unavailable, Internal, Unknown, Cancelled, DeadlineExceeded, Aborted] {
            assert!(Error::from(tonic::Status::new(code, "")).retryable(), "{code:?} of the transport");
        }
        for code in [InvalidArgument, NotFound, PermissionDenied, Unauthenticated, ResourceExhausted] {
            assert!(!Error::from(tonic::Status::new(code, "")).retryable(), "{code:?} of the transport");
        }
        assert!(gateway_error(Unavailable, DOMAIN, "DRAINING").retryable());
        for code in [Internal, Aborted, NotFound, DeadlineExceeded] {
            assert!(!gateway_error(code, DOMAIN, "INVALID_FIELD").retryable(), "{code:?} of the gateway");
        }
        assert!(!Error::ExportChanged.retryable());
    }
}
