//! What the stream carries.

pub use crate::v1::event::Payload;
pub use crate::v1::{Event, Gap, SubscribeResponse as Frame};

/// The types of event that this version of the client knows.
///
/// Types are an open set: compare, but don't rely on the list. To tell what an event says, match on
/// [`Event::payload`](crate::Event::payload) instead: an event of a known type is
/// [`Unrecognized`](crate::Payload::Unrecognized) if its body was malformed.
pub mod types {
    /// A people-search analysis finished.
    pub const ANALYSIS_COMPLETED: &str = "analysis.completed";
    /// A dataset has new records.
    pub const DATASET_UPDATED: &str = "dataset.updated";
    /// An export can be downloaded from Juicebox, for one hour.
    pub const EXPORT_READY: &str = "export.ready";
    /// The account nears, or has reached, its quota.
    pub const QUOTA_WARNING: &str = "quota.warning";
    /// A saved search matched new candidates.
    pub const SEARCH_ALERT: &str = "search.alert";
    /// The gateway holds an export, whether or not Juicebox's link still lives.
    pub const EXPORT_STORED: &str = "straw.export.stored";
    /// The gateway couldn't fetch an export and has given up.
    pub const EXPORT_FAILED: &str = "straw.export.failed";
    /// An event whose own type couldn't be read.
    pub const UNRECOGNIZED: &str = "straw.unrecognized";
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    /// What a newer gateway might send: a payload with a tag that this client doesn't know.
    #[test]
    fn an_unknown_payload_is_none() {
        let mut bytes = Event { id: "evt_1".into(), r#type: "candidate.hired".into(), ..Event::default() }
            .encode_to_vec();
        bytes.extend([0x9a, 0x03, 0x02, 0x08, 0x01]); // field 51, a message of two bytes
        let event = Event::decode(&bytes[..]).unwrap();
        assert_eq!((event.r#type.as_str(), event.payload), ("candidate.hired", None));
    }
}
