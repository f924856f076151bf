//! `quorum-state` beside the metadata log: the node's vote, and whom it takes for the leader (K§1.5).
//!
//! A restore never writes this file back: votes belong to the quorum that cast them (K§4.6).

use serde_json::Value;
use thiserror::Error;

use crate::ids::{DirectoryId, LeaderEpoch, NodeId, Uuid};

/// What a node of the quorum remembers across restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumState {
    /// 0 with kraft.version 0, 1 with kraft.version 1.
    pub data_version: i16,
    /// The leader of the epoch, if known.
    pub leader: Option<NodeId>,
    /// The highest epoch that the node has seen.
    pub leader_epoch: LeaderEpoch,
    /// For whom the node voted in that epoch.
    pub voted: Option<NodeId>,
    /// The metadata log directory of that node; only in version 1.
    pub voted_directory: Option<DirectoryId>,
    /// The static voters; only in version 0.
    pub voters: Vec<NodeId>,
}

/// Why a `quorum-state` file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuorumStateError {
    /// It is not JSON.
    #[error("parse quorum-state: {0}")]
    Json(String),
    /// A newer Kafka wrote it.
    #[error("parse quorum-state: data_version {0} is not known")]
    Version(i64),
    /// A field is missing, or is not what it should be.
    #[error("parse quorum-state: {0} is missing or malformed")]
    Field(&'static str),
}

impl QuorumStateError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "quorum-state-json",
            Self::Version(_) => "quorum-state-version",
            Self::Field(_) => "quorum-state-field",
        }
    }
}

impl QuorumState {
    /// Reads the file's text. Like Kafka it looks at the first line only.
    pub fn parse(text: &str) -> Result<Self, QuorumStateError> {
        let line = text.lines().next().unwrap_or_default();
        let json: Value = serde_json::from_str(line).map_err(|error| QuorumStateError::Json(error.to_string()))?;
        let data_version = number(&json, "data_version")?;
        let voters = match data_version {
            0 => voters(&json)?,
            1 => Vec::new(),
            other => return Err(QuorumStateError::Version(other)),
        };
        let voted_directory = match (data_version, json.get("votedDirectoryId")) {
            (1, Some(id)) => Some(directory(id).ok_or(QuorumStateError::Field("votedDirectoryId"))?),
            (1, None) => return Err(QuorumStateError::Field("votedDirectoryId")),
            _ => None,
        };
        Ok(Self {
            data_version: data_version as i16,
            leader: node(&json, "leaderId")?,
            leader_epoch: LeaderEpoch(number32(&json, "leaderEpoch")?),
            voted: node(&json, "votedId")?,
            voted_directory: voted_directory.filter(|id| id.0 != Uuid::ZERO),
            voters,
        })
    }
}

fn number(json: &Value, field: &'static str) -> Result<i64, QuorumStateError> {
    json.get(field)
        .and_then(Value::as_i64)
        .ok_or(QuorumStateError::Field(field))
}

fn number32(json: &Value, field: &'static str) -> Result<i32, QuorumStateError> {
    i32::try_from(number(json, field)?).map_err(|_| QuorumStateError::Field(field))
}

fn node(json: &Value, field: &'static str) -> Result<Option<NodeId>, QuorumStateError> {
    Ok(Some(number32(json, field)?).filter(|id| *id >= 0).map(NodeId))
}

fn directory(json: &Value) -> Option<DirectoryId> {
    json.as_str()?.parse().ok().map(DirectoryId)
}

/// Null is what a node without voters writes.
fn voters(json: &Value) -> Result<Vec<NodeId>, QuorumStateError> {
    let malformed = QuorumStateError::Field("currentVoters");
    match json.get("currentVoters") {
        Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(voters)) => voters
            .iter()
            .map(|voter| node(voter, "voterId")?.ok_or(QuorumStateError::Field("voterId")))
            .collect(),
        _ => Err(malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_quorums_state_is_read() {
        let text = r#"{"leaderId":-1,"leaderEpoch":2,"votedId":1,"votedDirectoryId":"5BD7YQqCTBqmRkcCYfEFSA","data_version":1}"#;
        let state = QuorumState::parse(text).unwrap();
        assert_eq!(
            (state.leader, state.leader_epoch, state.voted),
            (None, LeaderEpoch(2), Some(NodeId(1)))
        );
        assert_eq!(state.voted_directory.unwrap().0.to_string(), "5BD7YQqCTBqmRkcCYfEFSA");
    }

    #[test]
    fn a_static_quorums_state_is_read() {
        let text = r#"{"clusterId":"","leaderId":3,"leaderEpoch":7,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1},{"voterId":3}],"data_version":0}"#;
        let state = QuorumState::parse(text).unwrap();
        assert_eq!(
            (state.leader, state.voted, state.voted_directory),
            (Some(NodeId(3)), None, None)
        );
        assert_eq!(state.voters, [NodeId(1), NodeId(3)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let code = |text| QuorumState::parse(text).unwrap_err().code();
        assert_eq!(code(""), "quorum-state-json");
        assert_eq!(code(r#"{"leaderId":1}"#), "quorum-state-field");
        assert_eq!(code(r#"{"data_version":2}"#), "quorum-state-version");
        assert_eq!(
            code(r#"{"data_version":0,"currentVoters":[{"voterId":-1}]}"#),
            "quorum-state-field"
        );
        assert_eq!(
            code(
                r#"{"leaderId":1,"leaderEpoch":2147483648,"votedId":1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#
            ),
            "quorum-state-field"
        );
    }
}
