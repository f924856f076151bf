//! The producers' state, batch by batch (`ProducerStateManager`, `ProducerAppendInfo`).

use std::collections::BTreeMap;

use super::RebuildError;
use crate::batch::{Batch, BatchHeader};
use crate::control::{ControlRecord, Outcome};
use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use crate::index::AbortedTransaction;
use crate::producer_snapshot::ProducerEntry;
use crate::record::records;

const NO_OFFSET: Offset = Offset(-1);

/// What is known of the producers at some offset.
#[derive(Clone, Debug, Default)]
pub(super) struct Producers {
    entries: BTreeMap<ProducerId, ProducerEntry>,
    /// Open transactions by their first offset.
    open: BTreeMap<Offset, ProducerId>,
}

impl Producers {
    pub(super) fn from_entries(entries: Vec<ProducerEntry>) -> Self {
        let open = entries
            .iter()
            .filter(|entry| entry.current_txn_first_offset != NO_OFFSET)
            .map(|entry| (entry.current_txn_first_offset, entry.producer_id))
            .collect();
        Self {
            entries: entries.into_iter().map(|entry| (entry.producer_id, entry)).collect(),
            open,
        }
    }

    pub(super) fn entries(&self) -> Vec<ProducerEntry> {
        self.entries.values().copied().collect()
    }

    pub(super) fn open(&self) -> impl Iterator<Item = (Offset, ProducerId)> {
        self.open.iter().map(|(offset, producer)| (*offset, *producer))
    }

    /// Takes a batch that has a producer id; returns the transaction that it aborts, if it does.
    pub(super) fn append(
        &mut self,
        header: &BatchHeader,
        batch: &Batch<'_>,
    ) -> Result<Option<AbortedTransaction>, RebuildError> {
        if !header.attributes.is_control() {
            self.append_data(header);
            return Ok(None);
        }
        let offset = header.base_offset;
        if header.records_count == 0 {
            // Compaction took the marker and left the batch, with nothing to apply. Kafka still notes a producer that it has
            // not met before, without an epoch.
            self.entry(header.producer_id);
            return Ok(None);
        }
        let Some(record) = records(batch).and_then(|mut records| records.next()) else {
            return Err(RebuildError::MarkerHidden { offset });
        };
        let unreadable = |source| RebuildError::Marker { offset, source };
        let record = record.map_err(unreadable)?;
        match ControlRecord::decode(&record).map_err(unreadable)? {
            ControlRecord::EndTransaction {
                outcome,
                coordinator_epoch,
            } => Ok(self.end_transaction(header, outcome, coordinator_epoch, record.timestamp(header))),
            _ => Ok(None),
        }
    }

    fn append_data(&mut self, header: &BatchHeader) {
        let entry = self.entry_of_epoch(header);
        entry.last_sequence = header.last_sequence();
        entry.last_offset = header.last_offset();
        entry.offset_delta = header.last_offset_delta;
        entry.timestamp = header.max_timestamp;
        if header.attributes.is_transactional() && entry.current_txn_first_offset == NO_OFFSET {
            entry.current_txn_first_offset = header.base_offset;
            self.open.insert(header.base_offset, header.producer_id);
        }
    }

    fn end_transaction(
        &mut self,
        header: &BatchHeader,
        outcome: Outcome,
        coordinator_epoch: LeaderEpoch,
        timestamp: i64,
    ) -> Option<AbortedTransaction> {
        let entry = self.entry_of_epoch(header);
        entry.coordinator_epoch = coordinator_epoch;
        entry.timestamp = timestamp;
        let first_offset = std::mem::replace(&mut entry.current_txn_first_offset, NO_OFFSET);
        if first_offset == NO_OFFSET {
            return None;
        }
        let others = self
            .open
            .iter()
            .find(|(_, producer)| **producer != header.producer_id)
            .map(|(offset, _)| *offset);
        self.open.remove(&first_offset);
        (outcome == Outcome::Abort).then(|| AbortedTransaction {
            producer_id: header.producer_id,
            first_offset,
            last_offset: header.base_offset,
            last_stable_offset: others.unwrap_or(Offset(header.base_offset.0.saturating_add(1))),
        })
    }

    /// The producer's entry, with the batch's epoch: another epoch, higher or not, forgets the batches of the one before.
    fn entry_of_epoch(&mut self, header: &BatchHeader) -> &mut ProducerEntry {
        let entry = self.entry(header.producer_id);
        if entry.epoch != header.producer_epoch {
            entry.epoch = header.producer_epoch;
            entry.last_sequence = -1;
            entry.last_offset = NO_OFFSET;
            entry.offset_delta = 0;
        }
        entry
    }

    fn entry(&mut self, producer_id: ProducerId) -> &mut ProducerEntry {
        self.entries.entry(producer_id).or_insert(ProducerEntry {
            producer_id,
            epoch: ProducerEpoch(-1),
            last_sequence: -1,
            last_offset: NO_OFFSET,
            offset_delta: 0,
            timestamp: -1,
            coordinator_epoch: LeaderEpoch(-1),
            current_txn_first_offset: NO_OFFSET,
        })
    }
}
