//! The high watermark that a leader writes to its disk: what vouches for a partition of which a member has no agent.

use maxbrod_cut::ReplicaLog;
use maxbrod_kafka::{NodeId, Offset};

use super::super::{Moment, Seen};

/// The leader's `replication-offset-checkpoint`, watched from the beginning of a phase on (DESIGN §3.4).
///
/// Everything below the high watermark is on every in-sync replica. The broker collects the watermarks before it writes the file
/// (Kafka's `ReplicaManager.checkpointHighWatermarks`), so the first file that appears after a phase began can hold what was true
/// before; the second one holds at least what was acknowledged when the phase began.
#[derive(Debug)]
pub(super) struct Watermark {
    began: Moment,
    /// The latest moment at which the first file after `began` can have been written.
    first: Option<Moment>,
    reached: Option<(NodeId, Offset)>,
}

impl Watermark {
    /// Starts to watch.
    pub(super) fn since(began: Moment) -> Self {
        Self {
            began,
            first: None,
            reached: None,
        }
    }

    /// Looks at a leader's report, which was made between two moments.
    pub(super) fn observe(&mut self, leader: NodeId, seen: &Seen, (sent, received): (Moment, Moment)) {
        let Some((offset, age)) = seen.checkpointed else { return };
        let (earliest, latest) = (
            Moment(sent.0.saturating_sub(age)),
            Moment(received.0.saturating_sub(age)),
        );
        match self.first {
            None if earliest > self.began => self.first = Some(latest),
            Some(first) if earliest > first => self.reached = Some((leader, offset)),
            _ => {}
        }
    }

    /// Whose watermark vouches, once it does.
    pub(super) fn leader(&self) -> Option<NodeId> {
        self.reached.map(|(leader, _)| leader)
    }

    /// What every in-sync replica holds, as the log of one more member: the leader's, up to the high watermark.
    pub(super) fn log_of(&self, leader_log: impl Fn(NodeId) -> Option<ReplicaLog>) -> Option<ReplicaLog> {
        let (leader, offset) = self.reached?;
        let mut log = leader_log(leader)?;
        log.log_end = log.log_end.min(offset).max(log.log_start);
        log.batches.retain(|batch| batch.end_offset <= offset);
        Some(log)
    }
}
