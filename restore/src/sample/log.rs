//! Logs of made-up batches.

use maxbrod_kafka::{
    Attributes, BatchBuilder, Batches, ControlRecord, LeaderEpoch, Offset, Outcome, PartitionId, ProducerEpoch,
    ProducerId, TopicId,
};
use maxbrod_repository::{BatchEnd, End, PartitionKind, PartitionRecord};

use super::FIRST;

/// A partition's log, in chunks.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) record: PartitionRecord,
    pub(crate) chunks: Vec<Vec<u8>>,
}

/// Appends batches to a log.
#[derive(Clone, Debug)]
pub(crate) struct LogBuilder {
    batches: Vec<Vec<u8>>,
    next: i64,
    epoch: i32,
}

impl LogBuilder {
    /// A log that starts at an offset.
    pub(crate) fn at(start: i64) -> Self {
        Self {
            batches: Vec::new(),
            next: start,
            epoch: 1,
        }
    }

    /// A leader of this epoch appends from here on.
    pub(crate) fn epoch(mut self, epoch: i32) -> Self {
        self.epoch = epoch;
        self
    }

    /// Leaves offsets out, as compaction does.
    pub(crate) fn skip(mut self, offsets: i64) -> Self {
        self.next += offsets;
        self
    }

    /// A batch of records without a producer.
    pub(crate) fn plain(self, records: i64) -> Self {
        self.batch(records, None, false)
    }

    /// A batch of a transaction.
    pub(crate) fn transactional(self, producer: i64, records: i64) -> Self {
        self.batch(records, Some(producer), true)
    }

    /// A batch of an idempotent producer.
    pub(crate) fn idempotent(self, producer: i64, records: i64) -> Self {
        self.batch(records, Some(producer), false)
    }

    /// A marker that ends a producer's transaction.
    pub(crate) fn marker(mut self, producer: i64, outcome: Outcome) -> Self {
        let marker = ControlRecord::EndTransaction {
            outcome,
            coordinator_epoch: LeaderEpoch(3),
        };
        let (key, value) = marker.encode().unwrap();
        let batch = BatchBuilder::new(Offset(self.next), LeaderEpoch(self.epoch))
            .attributes(Attributes::MARKER)
            .producer(ProducerId(producer), ProducerEpoch(0), -1)
            .record(1_000 + self.next, Some(&key), Some(&value));
        self.batches.push(batch.build());
        self.next += 1;
        self
    }

    fn batch(mut self, records: i64, producer: Option<i64>, transactional: bool) -> Self {
        let attributes = if transactional {
            Attributes::PLAIN.transactional()
        } else {
            Attributes::PLAIN
        };
        let mut batch = BatchBuilder::new(Offset(self.next), LeaderEpoch(self.epoch)).attributes(attributes);
        if let Some(producer) = producer {
            batch = batch.producer(ProducerId(producer), ProducerEpoch(0), self.next as i32);
        }
        for offset in self.next..self.next + records {
            let value = format!("value of {offset}").repeat(3);
            batch = batch.record(1_000 + offset, Some(b"key"), Some(value.as_bytes()));
        }
        self.batches.push(batch.build());
        self.next += records;
        self
    }

    /// Ends the log where it is, with so many batches in a chunk.
    pub(crate) fn log(self, topic_id: TopicId, partition: i32, batches_per_chunk: usize) -> Log {
        let last = self
            .batches
            .last()
            .and_then(|batch| Batches::new(batch, 0).next()?.ok()?.header);
        let first = self
            .batches
            .first()
            .and_then(|batch| Batches::new(batch, 0).next()?.ok()?.header);
        let end = last.map_or(End::Empty(Offset(self.next)), |header| {
            End::After(BatchEnd {
                end_offset: header.next_offset(),
                leader_epoch: header.leader_epoch,
                crc: header.crc,
            })
        });
        let record = PartitionRecord {
            topic_id,
            partition: PartitionId(partition),
            kind: PartitionKind::Data,
            source: maxbrod_kafka::NodeId(1),
            source_directory: FIRST,
            log_start: first.map_or(Offset(self.next), |header| header.base_offset),
            end,
            leader_epochs: Vec::new(),
            compacted: false,
            producer_snapshot: None,
            partition_metadata: String::new(),
            vouched: true,
        };
        let chunks = self
            .batches
            .chunks(batches_per_chunk.max(1))
            .map(<[_]>::concat)
            .collect();
        Log { record, chunks }
    }
}

impl Log {
    /// All its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// Where it is cut.
    pub(crate) fn end(&self) -> i64 {
        self.record.end.offset().0
    }
}
