//! What the restored coordinators would do first, done here: transactions that were open at the cut are ended.
//!
//! A coordinator that loads its log sends the markers of every transaction in a Prepare state again, and aborts those whose time
//! is over. But a partition that has no leader at that moment is taken for a deleted one and skipped, and the transaction counts
//! as complete (`TransactionMarkerChannelManager`, seen with 4.3.1): its records stay open there for good, or are committed in a
//! part of its partitions only. While brokers of a restored cluster come up one after the other, partitions do have no leader
//! for a moment. So the markers are written by the restore, and the Complete record; no coordinator finds anything to do.

use std::collections::BTreeMap;

use futures::StreamExt;
use maxbrod_kafka::transaction_state::{TransactionRecord, TransactionStatus};
use maxbrod_kafka::{
    Attributes, Batch, BatchBuilder, Batches, ControlRecord, LeaderEpoch, Offset, Outcome, PartitionId, ProducerEpoch,
    ProducerId, records,
};
use maxbrod_repository::{ChunkReader, PartitionKind, Tree};

use crate::error::{Error, Result};
use crate::source::{PartitionKey, Source};

#[cfg(test)]
mod tests;

/// Requests under way while a coordinator's partition is read.
const AHEAD: usize = 2;

/// What is written behind the logs' ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endings {
    /// By topic and partition.
    markers: BTreeMap<(String, PartitionId), Vec<Marker>>,
    /// Records for partitions of `__transaction_state`.
    completions: BTreeMap<PartitionKey, Vec<TransactionRecord>>,
}

/// A marker that ends a transaction, if it is open in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) producer_id: ProducerId,
    pub(crate) producer_epoch: ProducerEpoch,
    pub(crate) outcome: Outcome,
}

/// What one log is continued with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LogEnding {
    pub(crate) markers: Vec<Marker>,
    pub(crate) completions: Vec<TransactionRecord>,
    /// The restored cluster's: no batch of the lost one has it.
    pub(crate) leader_epoch: LeaderEpoch,
    /// In milliseconds since 1970.
    pub(crate) timestamp: i64,
}

impl Endings {
    /// Reads the coordinators' last states of all transactional ids from a snapshot.
    pub(crate) async fn read(tree: &Tree, source: &Source) -> Result<Self> {
        let reader = ChunkReader::new(tree.cluster());
        let mut endings = Self::default();
        for (key, slot) in &source.partitions {
            let name = source
                .checkpoint
                .image
                .topic(key.0)
                .map(|topic| topic.name().to_owned());
            if name.as_deref() != Some("__transaction_state") {
                continue;
            }
            let partition = tree.partition(slot).await?;
            if partition.record().kind != PartitionKind::TransactionState {
                continue;
            }
            let mut last = BTreeMap::new();
            let mut chunks = std::pin::pin!(reader.stream(tree.chunks(&partition), AHEAD));
            while let Some(read) = chunks.next().await {
                let (_, body) = read?;
                fold(&body, partition.record().end.offset(), &mut last)
                    .map_err(|reason| Error::Worker(format!("read __transaction_state-{}: {reason}", key.1)))?;
            }
            endings.add(*key, last);
        }
        Ok(endings)
    }

    /// Takes in what one coordinator has to end.
    fn add(&mut self, key: PartitionKey, last: BTreeMap<String, TransactionRecord>) {
        for mut record in last.into_values() {
            let Some(state) = &mut record.value else { continue };
            let (outcome, complete) = match state.status() {
                Some(TransactionStatus::PrepareCommit) => (Outcome::Commit, TransactionStatus::CompleteCommit),
                Some(TransactionStatus::PrepareAbort) => (Outcome::Abort, TransactionStatus::CompleteAbort),
                // Undecided: what its producer went on to write is not here. It is fenced off, as by a timeout; at the last
                // epoch that takes another producer id, which is Kafka's to give.
                Some(TransactionStatus::Ongoing) if state.producer_epoch.0 < i16::MAX - 1 => {
                    state.producer_epoch.0 += 1;
                    (Outcome::Abort, TransactionStatus::CompleteAbort)
                }
                _ => continue,
            };
            // With the last epoch of a producer id the Complete record changes to the next id: that is left to Kafka.
            if state.next_producer_id.0 >= 0 {
                continue;
            }
            let marker = Marker {
                producer_id: state.producer_id,
                producer_epoch: state.producer_epoch,
                outcome,
            };
            for topic in state.transaction_partitions.iter().flatten() {
                for partition in &topic.partition_ids {
                    let of_partition = self.markers.entry((topic.topic.clone(), *partition)).or_default();
                    of_partition.push(marker);
                }
            }
            state.transaction_status = complete.code();
            state.transaction_partitions = Some(Vec::new());
            self.completions.entry(key).or_default().push(record);
        }
    }

    /// What a partition's log is continued with, if with anything.
    pub(crate) fn of(&self, topic: &str, key: PartitionKey, leader_epoch: LeaderEpoch, timestamp: i64) -> LogEnding {
        LogEnding {
            markers: self
                .markers
                .get(&(topic.to_owned(), key.1))
                .cloned()
                .unwrap_or_default(),
            completions: self.completions.get(&key).cloned().unwrap_or_default(),
            leader_epoch,
            timestamp,
        }
    }
}

impl LogEnding {
    /// The batches that follow a log's end, given the producers whose transactions are open there.
    pub(crate) fn batches(&self, end: Offset, open: &[ProducerId]) -> Result<Vec<Vec<u8>>> {
        let unwritable = |error: maxbrod_kafka::message::MessageError| Error::Worker(error.to_string());
        let mut batches = Vec::new();
        let mut next = end;
        for marker in self.markers.iter().filter(|marker| open.contains(&marker.producer_id)) {
            let control = ControlRecord::EndTransaction {
                outcome: marker.outcome,
                coordinator_epoch: self.leader_epoch,
            };
            let (key, value) = control.encode().map_err(unwritable)?;
            let batch = BatchBuilder::new(next, self.leader_epoch)
                .attributes(Attributes::MARKER)
                .producer(marker.producer_id, marker.producer_epoch, -1)
                .record(self.timestamp, Some(&key), Some(&value));
            batches.push(batch.build());
            next.0 += 1;
        }
        if !self.completions.is_empty() {
            let mut batch = BatchBuilder::new(next, self.leader_epoch);
            for record in &self.completions {
                let key = record.encode_key().map_err(unwritable)?;
                let value = record.encode_value().map_err(unwritable)?;
                batch = batch.record(self.timestamp, Some(&key), value.as_deref());
            }
            batches.push(batch.build());
        }
        Ok(batches)
    }
}

/// Takes the last state of every id from a chunk, as far as it is below the cut.
fn fold(body: &[u8], cut: Offset, last: &mut BTreeMap<String, TransactionRecord>) -> std::result::Result<(), String> {
    for batch in Batches::new(body, 0) {
        let batch: Batch<'_> = batch.map_err(|error| error.to_string())?;
        if batch.base_offset() >= cut {
            break;
        }
        if batch.header.is_some_and(|header| header.attributes.is_control()) {
            continue;
        }
        // Kafka never compresses it (`TransactionLog.EnforcedCompression`).
        let Some(found) = records(&batch) else {
            return Err(format!("the batch at offset {} is compressed", batch.base_offset()));
        };
        for record in found {
            let record = record.map_err(|error| error.to_string())?;
            // What cannot be read is not Kafka's: its coordinator would not load it either.
            if let Ok(decoded) = TransactionRecord::decode(record.key.unwrap_or_default(), record.value) {
                last.insert(decoded.transactional_id.clone(), decoded);
            }
        }
    }
    Ok(())
}
