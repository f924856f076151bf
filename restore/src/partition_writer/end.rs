//! The end of a partition: is it the planned one, and what a clean shutdown leaves there.

use maxbrod_kafka::{LeaderEpochEntry, ProducerId, write_leader_epochs, write_partition_metadata};

use super::*;

impl PartitionWriter {
    /// Writes what is left, so that the log ends at the cut.
    pub(crate) fn finish(mut self) -> Result<FinishedPartition> {
        let cut = self.plan.record.end.offset();
        self.check_end()?;
        if self.segment.is_none() {
            self.rebuild = Rebuild::new(cut, self.plan.settings.index_interval_bytes);
            self.open_segment(cut)?;
        } else if self.rebuild.log_end() < cut {
            // What ended there was compacted away: an empty segment keeps the end where it was.
            self.roll(cut)?;
        }
        self.take_producers(cut);
        let mut epochs = leader_epochs(&self.plan.record, self.rebuild.leader_epochs());
        if self.end_transactions(cut)? {
            epochs.push(LeaderEpochEntry {
                epoch: self.plan.ending.leader_epoch,
                start_offset: cut,
            });
        }
        let end = self.rebuild.log_end().max(cut);
        let indexes = self.rebuild.finish();
        self.close_segment(&indexes)?;
        self.snapshot(end)?;
        self.small_file(
            "leader-epoch-checkpoint".to_owned(),
            write_leader_epochs(&epochs).as_bytes(),
        )?;
        let metadata = write_partition_metadata(self.plan.record.topic_id);
        self.small_file("partition.metadata".to_owned(), metadata.as_bytes())?;
        Ok(FinishedPartition {
            partition: self.plan.name,
            log_start: self.plan.record.log_start.0,
            first_base: self.first_base.unwrap_or(cut).0,
            end: end.0,
            files: self.files.written,
            digest: Hash(*self.digest.finalize().as_bytes()),
        })
    }

    /// Continues the log with what ends its decided transactions. Whether there was anything.
    fn end_transactions(&mut self, cut: Offset) -> Result<bool> {
        let open: Vec<ProducerId> = self.rebuild.open_transactions().map(|(_, producer)| producer).collect();
        let batches = self.plan.ending.batches(cut, &open)?;
        for bytes in &batches {
            let batch = Batches::new(bytes, 0).next().and_then(std::result::Result::ok);
            let batch = batch.ok_or_else(|| self.damaged("a batch made here cannot be read".to_owned()))?;
            self.rebuild
                .append(&batch)
                .map_err(|error| self.damaged(error.to_string()))?;
            if let Some(segment) = &mut self.segment {
                segment.write(bytes)?;
            }
        }
        Ok(!batches.is_empty())
    }

    /// The batch that ends at the cut must be the one that the snapshot's members agreed on. Compaction rewrites batches, so
    /// there the CRC says nothing.
    fn check_end(&self) -> Result<()> {
        let compacted = self.plan.record.compacted;
        let (planned, reason) = match (&self.plan.record.end, self.last) {
            (End::Empty(_), LastBatch::None) => return Ok(()),
            (End::Empty(_), _) => return Err(self.damaged("it should be empty, and there are batches".to_owned())),
            (End::After(planned), LastBatch::None) => (planned, "no batch is there".to_owned()),
            (End::After(planned), LastBatch::Old { end_offset }) => {
                if end_offset == planned.end_offset || compacted {
                    return Ok(());
                }
                (planned, format!("its last batch ends at offset {end_offset}"))
            }
            (
                End::After(planned),
                LastBatch::New {
                    end_offset,
                    leader_epoch,
                    crc,
                },
            ) => {
                if compacted && (end_offset < planned.end_offset || leader_epoch == planned.leader_epoch) {
                    return Ok(());
                }
                if (end_offset, leader_epoch, crc) == (planned.end_offset, planned.leader_epoch, planned.crc) {
                    return Ok(());
                }
                let batch =
                    format!("its last batch ends at offset {end_offset} with epoch {leader_epoch} and CRC {crc:08x}");
                (planned, batch)
            }
        };
        Err(self.damaged(format!(
            "{reason}; when the snapshot was taken, it ended at offset {} with epoch {} and CRC {:08x}",
            planned.end_offset, planned.leader_epoch, planned.crc
        )))
    }
}

/// Where each leader epoch starts: what the source knew, which includes epochs whose batches are gone, unless its batches say
/// otherwise.
fn leader_epochs(record: &PartitionRecord, rebuilt: &[LeaderEpochEntry]) -> Vec<LeaderEpochEntry> {
    let cut = record.end.offset();
    let recorded: Vec<LeaderEpochEntry> = record
        .leader_epochs
        .iter()
        .map(|(epoch, start_offset)| LeaderEpochEntry {
            epoch: *epoch,
            start_offset: *start_offset,
        })
        .filter(|entry| entry.start_offset < cut)
        .collect();
    let rebuilt = from_start(rebuilt, record.log_start);
    let ascends = recorded.is_sorted_by(|a, b| a.epoch < b.epoch && a.start_offset < b.start_offset);
    let covers = rebuilt.iter().all(|of_batch| {
        let known = recorded.iter().find(|entry| entry.epoch == of_batch.epoch);
        known.is_some_and(|entry| entry.start_offset <= of_batch.start_offset)
    });
    if ascends && covers { recorded } else { rebuilt }
}

/// Without the epochs that end at or below the log start; the one there begins with it (`LeaderEpochFileCache.truncateFromStart`).
fn from_start(epochs: &[LeaderEpochEntry], log_start: Offset) -> Vec<LeaderEpochEntry> {
    let below = epochs.partition_point(|entry| entry.start_offset <= log_start);
    let kept = epochs.get(below.saturating_sub(1)..).unwrap_or_default().iter();
    kept.map(|entry| LeaderEpochEntry {
        epoch: entry.epoch,
        start_offset: entry.start_offset.max(log_start),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use maxbrod_kafka::{DirectoryId, NodeId, PartitionId, TopicId};
    use maxbrod_repository::{BatchEnd, PartitionKind};

    use super::*;

    fn record(epochs: &[(i32, i64)]) -> PartitionRecord {
        PartitionRecord {
            topic_id: TopicId::default(),
            partition: PartitionId(0),
            kind: PartitionKind::Data,
            source: NodeId(1),
            source_directory: DirectoryId::default(),
            log_start: Offset(0),
            end: End::After(BatchEnd {
                end_offset: Offset(100),
                leader_epoch: LeaderEpoch(5),
                crc: 0,
            }),
            leader_epochs: epochs
                .iter()
                .map(|(epoch, start)| (LeaderEpoch(*epoch), Offset(*start)))
                .collect(),
            compacted: true,
            producer_snapshot: None,
            partition_metadata: String::new(),
            vouched: true,
        }
    }

    fn entries(epochs: &[(i32, i64)]) -> Vec<LeaderEpochEntry> {
        let entry = |(epoch, start): &(i32, i64)| LeaderEpochEntry {
            epoch: LeaderEpoch(*epoch),
            start_offset: Offset(*start),
        };
        epochs.iter().map(entry).collect()
    }

    #[test]
    fn epochs_whose_batches_are_gone_are_kept() {
        let record = record(&[(1, 0), (3, 10), (5, 40), (6, 100)]);
        let epochs = leader_epochs(&record, &entries(&[(3, 12), (5, 40)]));
        assert_eq!(epochs, entries(&[(1, 0), (3, 10), (5, 40)]));
    }

    #[test]
    fn epochs_below_the_log_start_are_cut_off_as_a_broker_does() {
        let rebuilt = entries(&[(1, 0), (3, 10), (5, 40)]);
        for (log_start, expected) in [
            (0, &[(1, 0), (3, 10), (5, 40)][..]),
            (9, &[(1, 9), (3, 10), (5, 40)]),
            (10, &[(3, 10), (5, 40)]),
            (70, &[(5, 70)]),
        ] {
            let mut record = record(&[]);
            record.log_start = Offset(log_start);
            assert_eq!(leader_epochs(&record, &rebuilt), entries(expected));
            record.leader_epochs = vec![(LeaderEpoch(0), Offset(0))];
            assert_eq!(
                leader_epochs(&record, &rebuilt),
                entries(expected),
                "a list without them is not believed"
            );
        }
    }

    #[test]
    fn a_list_that_contradicts_the_batches_is_not_believed() {
        let of_batches = entries(&[(3, 12), (5, 40)]);
        for wrong in [&[(1, 0), (5, 40)][..], &[(3, 13), (5, 40)], &[(5, 0), (3, 12)], &[]] {
            assert_eq!(leader_epochs(&record(wrong), &of_batches), of_batches);
        }
    }
}
