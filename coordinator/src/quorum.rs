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

use maxbrod_kafka::metadata::{MetadataImage, Position};
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset};
use thiserror::Error;

pub use reading::{Answer, Question, Reading};
pub use voters::{VotersError, parse_voters};

use batch::{LogBatch, replay};
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

/// The committed image, and what the controllers' logs hold beyond it.
#[derive(Debug, Default)]
pub struct Quorum {
    folded: Option<Folded>,
    nodes: BTreeMap<NodeId, NodeLog>,
    /// As configured; a KRAFT_VOTERS record wins over it.
    configured: Vec<NodeId>,
}

/// What is committed.
#[derive(Clone, Debug)]
struct Folded {
    at: Position,
    image: Arc<MetadataImage>,
    /// From the newest voters record, with kraft.version 1.
    voters: Option<Vec<NodeId>>,
}

/// An image of the metadata at some offset.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The offset after its last record, and the epoch of that.
    pub at: Position,
    /// The image.
    pub image: Arc<MetadataImage>,
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
        let recorded = self.folded.as_ref().and_then(|folded| folded.voters.as_ref());
        match recorded {
            Some(voters) => voters.iter().copied().collect(),
            None if !self.configured.is_empty() => self.configured.iter().copied().collect(),
            // Nobody says: whoever has a metadata log and is a controller.
            None => self.nodes.keys().copied().collect(),
        }
    }

    /// What is committed.
    pub fn committed(&self) -> Option<Metadata> {
        self.folded.as_ref().map(|folded| Metadata { at: folded.at, image: Arc::clone(&folded.image) })
    }

    /// Forgets a node's log: it has another one now, or none.
    pub fn forget(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// Folds what has become committed, by the logs of those who answered just now: what others held a while ago may have been
    /// replaced, and hides a newer epoch. Returns whether the image changed.
    fn fold(&mut self, answered: &BTreeSet<NodeId>) -> Result<bool, QuorumError> {
        let mut changed = self.adopt_checkpoint()?;
        let Some(folded) = &mut self.folded else { return Ok(false) };
        // Logs that were sent anew have not been compared yet.
        for log in self.nodes.values_mut() {
            log.trim(folded.at);
        }
        let voters = match &folded.voters {
            Some(voters) => voters.iter().copied().collect(),
            None if !self.configured.is_empty() => self.configured.iter().copied().collect(),
            None => self.nodes.keys().copied().collect::<BTreeSet<_>>(),
        };
        let Some((node, committed)) = common_batches(&self.nodes, &voters, answered) else { return Ok(changed) };
        let image = Arc::make_mut(&mut folded.image);
        for batch in committed {
            match replay(image, &batch) {
                Ok(Some(voters)) => folded.voters = Some(voters),
                Ok(None) => {}
                Err(why) => {
                    // The image is neither here nor there.
                    self.start_over();
                    return Err(QuorumError::Log { node, why });
                }
            }
            folded.at = Position { end_offset: batch.end.end_offset, epoch: batch.end.leader_epoch };
            changed = true;
        }
        let at = folded.at;
        for log in self.nodes.values_mut() {
            log.trim(at);
        }
        Ok(changed)
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
            Some((node, _)) => {
                let Some(log) = self.nodes.get(&node) else { return Ok(false) };
                let Some((position, image, voters)) = log.read_checkpoint(node)? else { return Ok(false) };
                Folded { at: position, image: Arc::new(image), voters }
            }
            // Without a checkpoint anywhere the logs begin with the cluster.
            None if at.is_none() && !self.nodes.is_empty() => {
                let at = Position { end_offset: Offset(0), epoch: LeaderEpoch(0) };
                Folded { at, image: Arc::new(MetadataImage::new()), voters: None }
            }
            None => return Ok(false),
        };
        let at = adopted.at;
        self.folded = Some(adopted);
        for log in self.nodes.values_mut() {
            log.trim(at);
        }
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
        let mut metadata = Metadata { at: folded.at, image: Arc::clone(&folded.image) };
        let Some(log) = log.filter(|log| log.tail().len() > 0) else { return Some(metadata) };
        let image = Arc::make_mut(&mut metadata.image);
        for batch in log.tail() {
            if replay(image, batch).is_err() {
                break;
            }
            metadata.at = Position { end_offset: batch.end.end_offset, epoch: batch.end.leader_epoch };
        }
        Some(metadata)
    }

    /// Whether so many logs contradict what was folded that it cannot have been committed.
    fn is_contradicted(&self) -> bool {
        let voters = self.voters();
        let contradicting = self.nodes.iter().filter(|(node, log)| voters.contains(node) && log.contradicts()).count();
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
    let logs = || nodes.iter().filter(|(node, _)| voters.contains(node) && answered.contains(node));
    let newest_epoch = logs().filter_map(|(_, log)| log.last()).map(|(epoch, _)| epoch).max()?;
    let mut holders: BTreeMap<(Offset, LeaderEpoch, u32), usize> = BTreeMap::new();
    for (_, log) in logs().filter(|(_, log)| log.holds_folded()) {
        for batch in log.tail() {
            *holders.entry((batch.end.end_offset, batch.end.leader_epoch, batch.end.crc)).or_default() += 1;
        }
    }
    let majority = voters.len() / 2 + 1;
    let (last, _) = holders.into_iter().rev().find(|(_, count)| *count >= majority)?;
    if last.1 != newest_epoch {
        return None;
    }
    let (node, holder) = logs().find(|(_, log)| log.holds_folded() && log.tail().any(|batch| batch.is(last)))?;
    Some((*node, holder.tail().take_while(|batch| batch.end.end_offset <= last.0).cloned().collect()))
}
