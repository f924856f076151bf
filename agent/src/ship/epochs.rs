//! Leader-epoch lists, and whether batches and other lists agree with them.

use maxbrod_kafka::LeaderEpochEntry;

use crate::state::EpochRun;

/// Which leader epoch the batches from which offset on have. Nothing is known below the first entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    entries: Vec<EpochRun>,
}

impl Epochs {
    /// From entries in any order.
    pub(crate) fn new(entries: impl IntoIterator<Item = EpochRun>) -> Self {
        let mut entries: Vec<EpochRun> = entries.into_iter().collect();
        entries.sort_by_key(|entry| (entry.start, entry.epoch));
        Self { entries }
    }

    /// The epoch of the batch at an offset; `None`: not known.
    pub(crate) fn at(&self, offset: i64) -> Option<i32> {
        let after = self.entries.partition_point(|entry| entry.start <= offset);
        self.entries.get(after.checked_sub(1)?).map(|entry| entry.epoch)
    }

    /// Whether a batch with this epoch may be at that offset. Batches below magic 2 carry no epoch.
    pub(crate) fn allow(&self, epoch: i32, offset: i64) -> bool {
        epoch < 0 || self.at(offset).is_none_or(|known| known == epoch)
    }

    /// Whether both say the same for the offsets that both know in `from..to`.
    pub(crate) fn agree(&self, other: &Self, from: i64, to: i64) -> bool {
        let (Some(mine), Some(theirs)) = (self.entries.first(), other.entries.first()) else {
            return true;
        };
        let from = from.max(mine.start).max(theirs.start);
        // An epoch can only change where one of the lists has an entry.
        let starts = self.entries.iter().chain(&other.entries).map(|entry| entry.start);
        starts
            .chain([from])
            .filter(|start| (from..to).contains(start))
            .all(|start| self.at(start) == other.at(start))
    }
}

impl From<&[LeaderEpochEntry]> for Epochs {
    fn from(entries: &[LeaderEpochEntry]) -> Self {
        Self::new(entries.iter().map(|entry| EpochRun {
            epoch: entry.epoch.0,
            start: entry.start_offset.0,
        }))
    }
}
