//! The committed prefix of the metadata log, from the logs of the controllers alone (DESIGN §3.4, K§5.5).
//!
//! Each controller's agent sends its `__cluster_metadata-0`: a checkpoint and the batches after it. What a majority of the voters
//! holds alike, up to a batch of the newest epoch that anyone holds, is committed (an older epoch's batch on a majority can
//! still be replaced, Raft §5.4.2). It is folded into one image, and the batches are dropped. Pure.
//!
//! Invariants: the image is never ahead of what is committed; equal batches of several logs are kept once; a log that does not
//! hold the folded prefix never counts towards a majority.

mod batch;
mod log;
mod reading;
mod voters;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use maxbrod_kafka::metadata::{MetadataImage, Position, Quorum as Voting};
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset, PartitionId, TopicId};
use thiserror::Error;

pub use reading::{Answer, Question, Reading};
pub use voters::{VotersError, parse_voters};

use batch::LogBatch;
use log::NodeLog;

#[cfg(test)]
mod tests;

/// Why what an agent sent of a metadata log cannot be used.
#[derive(Debug, Error)]
pub enum QuorumError {
    /// A checkpoint that cannot be read.
    #[error("read the metadata checkpoint {name} of node {node}: {why}")]
    Checkpoint {
        /// The node.
        node: NodeId,
        /// The checkpoint.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Batches that cannot be read, or that don't continue the log.
    #[error("read the metadata log of node {node}: {why}")]
    Log {
        /// The node.
        node: NodeId,
        /// What is wrong.
        why: String,
    },
    /// The agent could not read it.
    #[error("read the metadata log of node {node}: its agent says: {why}")]
    Agent {
        /// The node.
        node: NodeId,
        /// What it says.
        why: String,
    },
}

impl QuorumError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Checkpoint { .. } => "metadata-checkpoint-unreadable",
            Self::Log { .. } => "metadata-log-unreadable",
            Self::Agent { .. } => "metadata-log-unavailable",
        }
    }
}

/// The committed metadata, and what the controllers' logs hold beyond it.
#[derive(Debug, Default)]
pub struct Quorum {
    folded: Option<Metadata>,
    nodes: BTreeMap<NodeId, NodeLog>,
    /// As configured; a KRAFT_VOTERS record wins over it.
    configured: Vec<NodeId>,
}

/// The metadata at some offset.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The offset after the last batch that was read, and its epoch. The image stands before it while a metadata transaction
    /// is open.
    pub at: Position,
    /// The image.
    pub image: Arc<MetadataImage>,
    /// How the quorum knows its voters.
    pub voting: Voting,
    /// When the last record was appended, in milliseconds since 1970.
    pub timestamp: i64,
    /// Unclean elections that were read of, each partition's last one: who was elected, and the offset of the record. What lies
    /// in a checkpoint is not known.
    pub unclean_elections: Arc<BTreeMap<(TopicId, PartitionId), (Offset, NodeId)>>,
}

impl Quorum {
    /// Sets the voters of a static quorum.
    pub fn configure(&mut self, voters: Vec<NodeId>) {
        if !voters.is_empty() {
            self.configured = voters;
        }
    }

    /// The voters, as far as they are known.
    pub fn voters(&self) -> BTreeSet<NodeId> {
        match self.folded.as_ref().and_then(Metadata::voters) {
            Some(voters) => voters.collect(),
            None if !self.configured.is_empty() => self.configured.iter().copied().collect(),
            // Nobody says: whoever has a metadata log and is a controller.
            None => self.nodes.keys().copied().collect(),
        }
    }

    /// What is committed.
    pub fn committed(&self) -> Option<Metadata> {
        self.folded.clone()
    }

    /// Forgets a node's log: it has another one now, or none.
    pub fn forget(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// Folds what has become committed, by the logs of those who answered just now: what others held a while ago may have been
    /// replaced, and hides a newer epoch. Returns whether the image changed.
    fn fold(&mut self, answered: &BTreeSet<NodeId>) -> Result<bool, QuorumError> {
        let mut changed = self.adopt_checkpoint()?;
        let Some(mut folded) = self.folded.take() else {
            return Ok(false);
        };
        // Logs that were sent anew have not been compared yet.
        self.trim(folded.at);
        self.folded = Some(folded.clone());
        let Some((node, committed)) = common_batches(&self.nodes, &self.voters(), answered) else {
            return Ok(changed);
        };
        self.folded = None;
        for batch in committed {
            if let Err(why) = folded.replay(&batch) {
                self.start_over();
                return Err(QuorumError::Log { node, why });
            }
            changed = true;
        }
        self.trim(folded.at);
        self.folded = Some(folded);
        Ok(changed)
    }

    fn trim(&mut self, at: Position) {
        for log in self.nodes.values_mut() {
            log.trim(at);
        }
    }

    /// A checkpoint is committed by its nature. One that is further on than the image takes its place.
    fn adopt_checkpoint(&mut self) -> Result<bool, QuorumError> {
        let at = self.folded.as_ref().map(|folded| folded.at.end_offset);
        let is_newer = |checkpoint: &Position| match at {
            None => true,
            // The checkpoint 0-0 is what the cluster was formatted with (KIP-1170): more than nothing.
            Some(Offset(0)) => true,
            Some(at) => checkpoint.end_offset > at,
        };
        let newest = self
            .nodes
            .iter()
            .filter_map(|(node, log)| Some((*node, log.checkpoint_at()?)))
            .filter(|(_, checkpoint)| is_newer(checkpoint))
            .max_by_key(|(_, checkpoint)| *checkpoint);
        let adopted = match newest {
            Some((node, _)) => match self.nodes.get(&node) {
                Some(log) => log.read_checkpoint(node)?,
                None => None,
            },
            // Without a checkpoint anywhere the logs begin with the cluster.
            None if at.is_none() && !self.nodes.is_empty() => Some(Metadata::of_nothing()),
            None => None,
        };
        let Some(mut adopted) = adopted else { return Ok(false) };
        if let Some(before) = self.folded.take() {
            adopted.unclean_elections = before.unclean_elections;
        }
        self.trim(adopted.at);
        self.folded = Some(adopted);
        Ok(true)
    }

    /// The most advanced log that is there, whoever holds it: for when no majority can be asked.
    fn most_advanced(&self, among: &BTreeSet<NodeId>) -> Option<Metadata> {
        let folded = self.folded.as_ref()?;
        let log = self
            .nodes
            .iter()
            .filter(|(node, log)| among.contains(node) && log.holds_folded())
            .map(|(_, log)| log)
            .max_by_key(|log| log.last());
        let mut metadata = folded.clone();
        for batch in log.into_iter().flat_map(NodeLog::tail) {
            let before = metadata.clone();
            if metadata.replay(batch).is_err() {
                return Some(before);
            }
        }
        Some(metadata)
    }

    /// Whether so many logs contradict what was folded that it cannot have been committed.
    fn is_contradicted(&self) -> bool {
        let voters = self.voters();
        let contradicting = self
            .nodes
            .iter()
            .filter(|(node, log)| voters.contains(node) && log.contradicts())
            .count();
        contradicting > voters.len() / 2
    }

    /// Forgets everything, the image included; every log has to be sent again.
    fn start_over(&mut self) {
        self.folded = None;
        self.nodes.clear();
    }
}

/// The batches beyond the folded prefix that a majority holds, up to the last one of the newest epoch that anyone holds, and a
/// node that holds them.
fn common_batches(
    nodes: &BTreeMap<NodeId, NodeLog>,
    voters: &BTreeSet<NodeId>,
    answered: &BTreeSet<NodeId>,
) -> Option<(NodeId, Vec<Arc<LogBatch>>)> {
    let logs = || {
        nodes
            .iter()
            .filter(|(node, _)| voters.contains(node) && answered.contains(node))
    };
    let newest_epoch = logs().filter_map(|(_, log)| log.last()).map(|(epoch, _)| epoch).max()?;
    let mut holders: BTreeMap<(Offset, LeaderEpoch, u32), usize> = BTreeMap::new();
    for (_, log) in logs().filter(|(_, log)| log.holds_folded()) {
        for batch in log.tail() {
            *holders
                .entry((batch.end.end_offset, batch.end.leader_epoch, batch.end.crc))
                .or_default() += 1;
        }
    }
    let majority = voters.len() / 2 + 1;
    let (last, _) = holders.into_iter().rev().find(|(_, count)| *count >= majority)?;
    if last.1 != newest_epoch {
        return None;
    }
    let (node, holder) = logs().find(|(_, log)| log.holds_folded() && log.tail().any(|batch| batch.is(last)))?;
    Some((
        *node,
        holder
            .tail()
            .take_while(|batch| batch.end.end_offset <= last.0)
            .cloned()
            .collect(),
    ))
}
