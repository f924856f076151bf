//! The voters of a static quorum, from `controller.quorum.voters`.

use maxbrod_kafka::NodeId;
use thiserror::Error;

/// Why `controller.quorum.voters` is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("read controller.quorum.voters {text:?}: {part:?} is not ID@HOST:PORT")]
pub struct VotersError {
    /// All of it.
    pub text: String,
    /// The part that is wrong.
    pub part: String,
}

impl VotersError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        "quorum-voters-invalid"
    }
}

/// Reads `1@host:9093,2@host:9093`. Empty with a dynamic quorum.
pub fn parse_voters(text: &str) -> Result<Vec<NodeId>, VotersError> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let id = part
                .split_once('@')
                .and_then(|(id, address)| id.trim().parse().ok().filter(|_| address.contains(':')));
            id.map(NodeId).ok_or_else(|| VotersError {
                text: text.to_owned(),
                part: part.to_owned(),
            })
        })
        .collect()
}
