//! The producers' state, batch by batch (`ProducerStateManager`, `ProducerAppendInfo`).

use std::collections::BTreeMap;

use thiserror::Error;

use crate::batch::{Batch, BatchHeader};
use crate::control::{ControlRecord, Outcome};
use crate::ids::{LeaderEpoch, Offset, ProducerId};
use crate::index::AbortedTransaction;
use crate::message::MessageError;
use crate::producer_snapshot::ProducerEntry;
use crate::record::records;

/// Why a log's state could not be regenerated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RebuildError {
    /// A transaction marker that cannot be read.
    #[error("read the transaction marker at offset {offset}: {source}")]
    Marker {
        /// Where it is.
        offset: Offset,
        /// What is wrong with it.
        source: MessageError,
    },
}

impl RebuildError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Marker { .. } => "marker-unreadable",
        }
    }
}

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

    pub(super) fn first_unstable_offset(&self) -> Option<Offset> {
        self.open.first_key_value().map(|(offset, _)| *offset)
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
        // Compaction can leave a control batch without its record: then there is nothing to apply.
        let Some(record) = records(batch).and_then(|mut records| records.next()) else {
            return Ok(None);
        };
        let marker = |source| RebuildError::Marker {
            offset: header.base_offset,
            source,
        };
        let record = record.map_err(marker)?;
        match ControlRecord::decode(&record).map_err(marker)? {
            ControlRecord::EndTransaction {
                outcome,
                coordinator_epoch,
            } => {
                let timestamp = header.base_timestamp.saturating_add(record.timestamp_delta);
                Ok(self.end_transaction(header, outcome, coordinator_epoch, timestamp))
            }
            _ => Ok(None),
        }
    }

    fn append_data(&mut self, header: &BatchHeader) {
        let entry = self.entry(header);
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
        let entry = self.entry(header);
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
            last_stable_offset: others.unwrap_or_else(|| header.next_offset()),
        })
    }

    /// The producer's entry, with the batch's epoch: another epoch forgets the batches of the one before.
    fn entry(&mut self, header: &BatchHeader) -> &mut ProducerEntry {
        let fresh = ProducerEntry {
            producer_id: header.producer_id,
            epoch: header.producer_epoch,
            last_sequence: -1,
            last_offset: NO_OFFSET,
            offset_delta: 0,
            timestamp: -1,
            coordinator_epoch: LeaderEpoch(-1),
            current_txn_first_offset: NO_OFFSET,
        };
        let entry = self.entries.entry(header.producer_id).or_insert(fresh);
        if entry.epoch != header.producer_epoch {
            entry.epoch = header.producer_epoch;
            entry.last_sequence = -1;
            entry.last_offset = NO_OFFSET;
            entry.offset_delta = 0;
        }
        entry
    }
}
