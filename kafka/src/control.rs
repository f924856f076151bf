//! Control records: transaction markers, leader changes, and what frames a KRaft snapshot (K§5.2, `ControlRecordType`).

use bytes::Bytes;

use crate::ids::{DirectoryId, LeaderEpoch, NodeId};
use crate::message::{Field, Layout, Message, MessageError, Reader, Writer};
use crate::record::Record;

#[cfg(test)]
mod tests;

message! {
    /// A voter, as a leader change names it.
    pub struct LeaderChangeVoter {
        /// Its node id.
        voter_id: NodeId;
        /// Its metadata directory.
        voter_directory_id: DirectoryId [since 1];
    }

    /// A new leader of the metadata quorum.
    pub struct LeaderChange: versions 0..=1, flexible 0 {
        /// The version again, as Kafka writes it.
        inner_version: i16;
        /// The leader.
        leader_id: NodeId;
        /// The voters.
        voters: Vec<LeaderChangeVoter>;
        /// Those who voted for it.
        granting_voters: Vec<LeaderChangeVoter>;
    }

    /// The first record of a KRaft snapshot.
    pub struct SnapshotHeader: versions 0..=0, flexible 0 {
        /// The version again, as Kafka writes it.
        inner_version: i16;
        /// Append time of the last record that the snapshot contains, in milliseconds.
        last_contained_log_timestamp: i64;
    }

    /// The last record of a KRaft snapshot.
    pub struct SnapshotFooter: versions 0..=0, flexible 0 {
        /// The version again, as Kafka writes it.
        inner_version: i16;
    }

    /// The quorum's own version: 1 has voters with directory ids in the log, 0 has them in the configuration.
    pub struct KRaftVersion: versions 0..=0, flexible 0 {
        /// The version again, as Kafka writes it.
        inner_version: i16;
        /// `kraft.version`.
        kraft_version: i16;
    }

    /// Where a voter listens.
    pub struct VoterEndpoint {
        /// Name of the listener.
        name: String;
        /// Host.
        host: String;
        /// Port.
        port: u16;
    }

    /// Which quorum versions a voter supports.
    pub struct KRaftVersionRange {
        /// The lowest.
        min: i16;
        /// The highest.
        max: i16;
    }

    /// A voter of the metadata quorum.
    pub struct Voter {
        /// Its node id.
        voter_id: NodeId;
        /// Its metadata directory.
        voter_directory_id: DirectoryId;
        /// Where it listens.
        endpoints: Vec<VoterEndpoint>;
        /// What it supports.
        kraft_version_feature: KRaftVersionRange;
    }

    /// The voters of the metadata quorum.
    pub struct KRaftVoters: versions 0..=0, flexible 0 {
        /// The version again, as Kafka writes it.
        inner_version: i16;
        /// The voters.
        voters: Vec<Voter>;
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its records become visible.
    Commit,
    /// Its records stay hidden.
    Abort,
}

/// A control record.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlRecord {
    /// A transaction's end in this partition (`EndTransactionMarker`).
    EndTransaction {
        /// How it ended.
        outcome: Outcome,
        /// Leader epoch of the coordinator's `__transaction_state` partition.
        coordinator_epoch: LeaderEpoch,
    },
    /// A new leader of the metadata quorum.
    LeaderChange(LeaderChange),
    /// Start of a KRaft snapshot.
    SnapshotHeader(SnapshotHeader),
    /// End of a KRaft snapshot.
    SnapshotFooter(SnapshotFooter),
    /// The quorum's version.
    KRaftVersion(KRaftVersion),
    /// The quorum's voters.
    KRaftVoters(KRaftVoters),
    /// A type that this build does not know, carried as it is.
    Unknown {
        /// The type.
        kind: i16,
        /// The value's bytes.
        value: Bytes,
    },
}

impl ControlRecord {
    /// Decodes a record of a control batch.
    pub fn decode(record: &Record<'_>) -> Result<Self, MessageError> {
        let mut key = Reader::new(record.key.unwrap_or_default());
        let _version = key.i16()?;
        let kind = key.i16()?;
        let value = record.value.unwrap_or_default();
        Ok(match kind {
            0 | 1 => {
                let mut reader = Reader::new(value);
                let _version = reader.i16()?;
                let coordinator_epoch = LeaderEpoch(reader.i32()?);
                let outcome = if kind == 1 { Outcome::Commit } else { Outcome::Abort };
                Self::EndTransaction {
                    outcome,
                    coordinator_epoch,
                }
            }
            2 => Self::LeaderChange(versioned(value)?),
            3 => Self::SnapshotHeader(versioned(value)?),
            4 => Self::SnapshotFooter(versioned(value)?),
            5 => Self::KRaftVersion(versioned(value)?),
            6 => Self::KRaftVoters(versioned(value)?),
            kind => Self::Unknown {
                kind,
                value: Bytes::copy_from_slice(value),
            },
        })
    }

    /// The record's key and value.
    pub fn encode(&self) -> Result<(Bytes, Bytes), MessageError> {
        let (kind, value) = match self {
            Self::EndTransaction {
                outcome,
                coordinator_epoch,
            } => {
                let mut writer = Writer::new();
                writer.i16(0);
                writer.i32(coordinator_epoch.0);
                (if *outcome == Outcome::Commit { 1 } else { 0 }, writer.finish())
            }
            Self::LeaderChange(message) => (2, body(message)?),
            Self::SnapshotHeader(message) => (3, body(message)?),
            Self::SnapshotFooter(message) => (4, body(message)?),
            Self::KRaftVersion(message) => (5, body(message)?),
            Self::KRaftVoters(message) => (6, body(message)?),
            Self::Unknown { kind, value } => (*kind, value.clone()),
        };
        let mut key = Writer::new();
        key.i16(0);
        key.i16(kind);
        Ok((key.finish(), value))
    }
}

/// These values carry no version prefix: their first field is the version.
fn versioned<M: Message>(value: &[u8]) -> Result<M, MessageError> {
    let version = Reader::new(value).i16()?;
    let mut reader = Reader::new(value);
    let layout = Layout {
        version: version.clamp(*M::VERSIONS.start(), *M::VERSIONS.end()),
        flexible: true,
    };
    let message = M::read(&mut reader, layout)?;
    reader.finish(M::NAME)?;
    Ok(message)
}

fn body<M: Message>(message: &M) -> Result<Bytes, MessageError> {
    let mut writer = Writer::new();
    Field::write(
        message,
        &mut writer,
        Layout {
            version: message.version(),
            flexible: true,
        },
    )?;
    Ok(writer.finish())
}
