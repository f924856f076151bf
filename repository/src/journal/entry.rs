//! Journal entries as they are stored.

use bytes::Bytes;
use jiff::Timestamp;
use maxbrod_kafka::ClusterId;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::state::JournalState;
use crate::document;
use crate::error::{Error, Result};
use crate::id::{Hash, Nonce, RepositoryId};

/// One entry of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub n: u64,
    /// Hash of the bytes of the entry before it; of the first one [`genesis`].
    pub previous: Hash,
    /// The coordinator's epoch that was the newest when it was written.
    pub epoch: u64,
    /// When, by the writer's clock.
    pub time: Timestamp,
    /// Tells the writer whether it was this attempt that took the number.
    pub nonce: Nonce,
    /// Who wrote it.
    pub writer: String,
    /// The program and its version.
    pub software: String,
    /// What happened.
    pub event: Event,
    /// The state before this entry; in every entry whose number is a multiple of 64, but the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Box<JournalState>>,
}

/// What the first entry names as its predecessor: ties a journal to its repository and cluster, so that it can't be moved.
pub fn genesis(repository: RepositoryId, cluster: &ClusterId) -> Hash {
    Hash::of(format!("maxbrod journal of {cluster} in {repository}").as_bytes())
}

impl Entry {
    pub(crate) fn encode(&self, object: &str) -> Result<Bytes> {
        document::encode(self, object)
    }

    /// An entry from its bytes. An event that this build does not know is an error that names who wrote it.
    pub fn decode(bytes: &[u8], object: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(default)]
            software: String,
            event: Kind,
        }
        #[derive(Deserialize)]
        struct Kind {
            kind: String,
        }
        let damaged = |source: serde_json::Error| Error::damaged(object, format!("it is no journal entry: {source}"));
        let json = document::json(bytes, object)?;
        let Head { software, event } = serde_json::from_slice(json).map_err(damaged)?;
        if !Event::KINDS.contains(&event.kind.as_str()) {
            return Err(Error::UnknownEvent {
                object: object.to_owned(),
                event: event.kind,
                software,
            });
        }
        serde_json::from_slice(json).map_err(damaged)
    }
}
