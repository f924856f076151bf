//! The replicated prefix of a partition: the part of its log that every member holds alike.

use maxbrod_kafka::{LeaderEpoch, NodeId, Offset};

#[cfg(test)]
mod tests;

/// A record batch, named by where it ends.
///
/// Two replicas that hold a batch with the same end offset, leader epoch and CRC hold the same log below it, as far as both
/// still have it (Kafka's log matching: a follower only ever appends what a leader of that epoch gave it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchEnd {
    /// The offset after the batch's last record.
    pub end_offset: Offset,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// CRC-32C of the batch as stored in its header.
    pub crc: u32,
}

/// The end of one replica's log, as its agent reported it.
#[derive(Clone, Debug)]
pub struct ReplicaLog {
    /// The node that has the replica.
    pub node: NodeId,
    /// The first offset of the log.
    pub log_start: Offset,
    /// The offset after the last record.
    pub log_end: Offset,
    /// The last batches, ascending by end offset, without a gap up to the log's end.
    pub batches: Vec<BatchEnd>,
    /// Whether `batches` goes back to the log's first batch.
    pub whole: bool,
}

/// What makes two batches at one offset the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// End offset, leader epoch and CRC: every append-only log.
    Bytes,
    /// End offset and leader epoch only: compaction rewrites batches, on each replica at its own time (K§7).
    Position,
}

/// What the members of a partition have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// All hold the log up to the end of this batch, alike.
    At(BatchEnd),
    /// All hold no record below this offset: it is where the log starts.
    Empty(Offset),
    /// What was reported does not reach deep enough: ask again for every batch that ends above this offset, and more before.
    Deeper {
        /// The highest offset that a common batch can still end at.
        since: Offset,
    },
    /// The whole logs were reported and have no batch in common, although none is empty: no member can vouch for any.
    Nothing,
}

/// Finds the largest batch end that every member holds.
///
/// `members` are the replicas in ISR ∪ ELR; the answer for none of them is [`Prefix::Nothing`].
pub fn common_prefix(members: &[ReplicaLog], matching: Matching) -> Prefix {
    let Some(shortest) = members.iter().min_by_key(|log| (log.log_end, log.batches.len())) else {
        return Prefix::Nothing;
    };
    let limit = shortest.log_end;
    // A member that has no batch (everything below its start was deleted) agrees with whatever ends there. The others name it.
    let with_batches: Vec<&ReplicaLog> = members.iter().filter(|log| !log.batches.is_empty()).collect();
    let Some(reference) = with_batches.iter().min_by_key(|log| log.log_end) else {
        return Prefix::Empty(limit);
    };
    let common = reference
        .batches
        .iter()
        .rev()
        .filter(|batch| batch.end_offset <= limit)
        .find(|batch| members.iter().all(|log| log.holds(batch, matching)));
    if let Some(batch) = common {
        return Prefix::At(*batch);
    }
    // Where every record lies above the limit, the common log is the empty one that ends there.
    let highest_start = members.iter().map(|log| log.log_start).max().unwrap_or(limit);
    if highest_start >= limit {
        return Prefix::Empty(limit);
    }
    if members.iter().all(|log| log.whole) {
        return Prefix::Nothing;
    }
    let lowest_reported = with_batches
        .iter()
        .filter_map(|log| log.batches.first())
        .map(|batch| batch.end_offset)
        .min();
    Prefix::Deeper {
        since: lowest_reported.unwrap_or(limit).min(limit),
    }
}

impl ReplicaLog {
    fn holds(&self, batch: &BatchEnd, matching: Matching) -> bool {
        if batch.end_offset <= self.log_start {
            return true;
        }
        let Ok(index) = self
            .batches
            .binary_search_by_key(&batch.end_offset, |own| own.end_offset)
        else {
            return false;
        };
        self.batches.get(index).is_some_and(|own| match matching {
            Matching::Bytes => own == batch,
            Matching::Position => own.leader_epoch == batch.leader_epoch,
        })
    }
}
