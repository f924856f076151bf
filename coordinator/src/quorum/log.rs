//! What one controller's metadata log looks like, as far as it is known.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use maxbrod_cut::BatchEnd;
use maxbrod_kafka::metadata::Position;
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset};

use super::batch::{LogBatch, read_batches};
use super::{Metadata, QuorumError};

/// One controller's log: a checkpoint, the batches beyond what is folded, and whether it holds what is folded.
#[derive(Debug, Default)]
pub(super) struct NodeLog {
    checkpoint: Option<Position>,
    checkpoint_bytes: BytesMut,
    is_checkpoint_complete: bool,
    tail: VecDeque<Arc<LogBatch>>,
    last: Option<BatchEnd>,
    folded: Holding,
}

/// How a log stands to the folded prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Holding {
    /// Not compared yet, or it ends below.
    #[default]
    Short,
    /// It holds all of it.
    Whole,
    /// It has something else there.
    Other,
}

impl NodeLog {
    /// A log that is sent from its beginning.
    pub(super) fn from_checkpoint(checkpoint: Option<Position>) -> Self {
        Self {
            checkpoint,
            ..Self::default()
        }
    }

    /// Adds a piece of the checkpoint file.
    pub(super) fn add_checkpoint_bytes(&mut self, bytes: &[u8]) {
        self.checkpoint_bytes.extend_from_slice(bytes);
    }

    /// Says that no piece of the checkpoint follows.
    pub(super) fn end_checkpoint(&mut self) {
        self.is_checkpoint_complete = true;
    }

    /// Adds batches; `known` finds an equal one of another log. What lies below the checkpoint is in it.
    pub(super) fn add_batches(
        &mut self,
        node: NodeId,
        bytes: &Bytes,
        known: impl Fn(&BatchEnd) -> Option<Arc<LogBatch>>,
    ) -> Result<(), QuorumError> {
        for batch in read_batches(bytes).map_err(|why| QuorumError::Log { node, why })? {
            if self
                .checkpoint
                .is_some_and(|checkpoint| batch.end.end_offset <= checkpoint.end_offset)
            {
                self.last = Some(batch.end);
                continue;
            }
            if let Some(last) = self.last
                && batch.base_offset != last.end_offset
            {
                let why = format!(
                    "a batch starts at offset {} where {} was expected",
                    batch.base_offset, last.end_offset
                );
                return Err(QuorumError::Log { node, why });
            }
            self.last = Some(batch.end);
            self.tail
                .push_back(known(&batch.end).unwrap_or_else(|| Arc::new(batch)));
        }
        Ok(())
    }

    /// The last batch, for the next question.
    pub(super) fn since(&self) -> Option<BatchEnd> {
        self.last
    }

    /// How far the log is: the epoch first.
    pub(super) fn last(&self) -> Option<(LeaderEpoch, Offset)> {
        let batch = self.last.map(|last| (last.leader_epoch, last.end_offset));
        let checkpoint = self
            .checkpoint
            .map(|checkpoint| (checkpoint.epoch, checkpoint.end_offset));
        batch.max(checkpoint)
    }

    pub(super) fn tail(&self) -> impl ExactSizeIterator<Item = &Arc<LogBatch>> {
        self.tail.iter()
    }

    /// An equal batch of this log.
    pub(super) fn batch(&self, end: &BatchEnd) -> Option<Arc<LogBatch>> {
        let index = self
            .tail
            .binary_search_by_key(&end.end_offset, |batch| batch.end.end_offset)
            .ok()?;
        self.tail.get(index).filter(|batch| batch.end == *end).cloned()
    }

    pub(super) fn holds_folded(&self) -> bool {
        self.folded == Holding::Whole
    }

    pub(super) fn contradicts(&self) -> bool {
        self.folded == Holding::Other
    }

    /// The position of a checkpoint whose bytes are still here.
    pub(super) fn checkpoint_at(&self) -> Option<Position> {
        self.checkpoint
            .filter(|_| self.is_checkpoint_complete && !self.checkpoint_bytes.is_empty())
    }

    /// What the checkpoint holds.
    pub(super) fn read_checkpoint(&self, node: NodeId) -> Result<Option<Metadata>, QuorumError> {
        let Some(at) = self.checkpoint_at() else {
            return Ok(None);
        };
        let name = at.checkpoint_name();
        let metadata = Metadata::of_checkpoint(at, &self.checkpoint_bytes);
        metadata
            .map(Some)
            .map_err(|why| QuorumError::Checkpoint { node, name, why })
    }

    /// Compares with what is folded and drops what is part of it.
    pub(super) fn trim(&mut self, folded: Position) {
        if self
            .checkpoint
            .is_some_and(|checkpoint| checkpoint.end_offset <= folded.end_offset)
        {
            self.checkpoint_bytes = BytesMut::new();
        }
        self.folded = self.holding(folded);
        if self.folded != Holding::Other {
            while self
                .tail
                .front()
                .is_some_and(|batch| batch.end.end_offset <= folded.end_offset)
            {
                self.tail.pop_front();
            }
        }
    }

    fn holding(&self, folded: Position) -> Holding {
        let begins_with_cluster = folded.end_offset == Offset(0);
        // A checkpoint is below what is committed in any case, so one that is further on holds the prefix.
        let by_checkpoint = self
            .checkpoint
            .is_some_and(|checkpoint| checkpoint.end_offset >= folded.end_offset);
        if begins_with_cluster || by_checkpoint {
            return Holding::Whole;
        }
        // What was compared before stays: the prefix only grows from where it was equal.
        let ending = self.tail.iter().find(|batch| batch.end.end_offset >= folded.end_offset);
        match ending {
            Some(batch) if batch.end.end_offset == folded.end_offset && batch.end.leader_epoch == folded.epoch => {
                Holding::Whole
            }
            Some(_) if self.folded == Holding::Whole && self.starts_at(folded.end_offset) => Holding::Whole,
            Some(_) => Holding::Other,
            None if self.ends_at(folded) => Holding::Whole,
            None => Holding::Short,
        }
    }

    fn starts_at(&self, offset: Offset) -> bool {
        self.tail.front().is_some_and(|batch| batch.base_offset == offset)
    }

    fn ends_at(&self, folded: Position) -> bool {
        self.last
            .is_some_and(|last| last.end_offset == folded.end_offset && last.leader_epoch == folded.epoch)
    }
}
