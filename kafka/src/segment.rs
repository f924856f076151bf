//! Names of the files in a partition's directory (K§1.2, K§1.5, `LogFileUtils`, `Snapshots`).

use crate::ids::{LeaderEpoch, Offset};

#[cfg(test)]
mod tests;

/// What a file in a partition's directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentFile {
    /// Record batches.
    Log,
    /// Offset index.
    Index,
    /// Time index.
    TimeIndex,
    /// Aborted transactions.
    TxnIndex,
    /// Producer state as of the offset in the name, exclusive.
    Snapshot,
}

impl SegmentFile {
    /// The extension, with its dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::Index => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TxnIndex => ".txnindex",
            Self::Snapshot => ".snapshot",
        }
    }

    /// The name of the file of this kind at `offset`.
    pub fn name(self, offset: Offset) -> String {
        format!("{:020}{}", offset.0, self.extension())
    }

    /// Takes a name apart; `None` for anything else, `.deleted`, `.cleaned` and `.swap` files among it.
    pub fn parse(name: &str) -> Option<(Offset, Self)> {
        let (offset, extension) = name.split_at_checked(20)?;
        let kind = [Self::Log, Self::Index, Self::TimeIndex, Self::TxnIndex, Self::Snapshot]
            .into_iter()
            .find(|kind| kind.extension() == extension)?;
        Some((Offset(digits(offset)?), kind))
    }

    /// Takes the name of a file on its way in or out apart; `None` for anything else.
    pub fn parse_in_transit(name: &str) -> Option<(Offset, Self, Transit)> {
        [Transit::Deleted, Transit::Cleaned, Transit::Swap]
            .into_iter()
            .find_map(|transit| {
                let (offset, kind) = Self::parse(name.strip_suffix(transit.suffix())?)?;
                Some((offset, kind, transit))
            })
    }
}

/// What is happening to a segment's file, by the suffix behind its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transit {
    /// About to be deleted, after `file.delete.delay.ms` or at the next start.
    Deleted,
    /// Being written by the cleaner; deleted at the next start.
    Cleaned,
    /// Complete, and about to take the place of the segments that it was made from.
    Swap,
}

impl Transit {
    /// The suffix, with its dot.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Deleted => ".deleted",
            Self::Cleaned => ".cleaned",
            Self::Swap => ".swap",
        }
    }

    /// The name of the file of this kind at `offset`, on its way.
    pub fn name(self, kind: SegmentFile, offset: Offset) -> String {
        format!("{}{}", kind.name(offset), self.suffix())
    }
}

/// The end offset and epoch in the name of a KRaft snapshot, `<end offset, 20 digits>-<epoch, 10 digits>.checkpoint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointId {
    /// The offset after the last record that the snapshot contains.
    pub end_offset: Offset,
    /// The epoch of that record.
    pub epoch: LeaderEpoch,
}

impl CheckpointId {
    /// The file's name.
    pub fn file_name(&self) -> String {
        format!("{:020}-{:010}.checkpoint", self.end_offset.0, self.epoch.0)
    }

    /// Takes a name apart; `None` for anything else, `.part` and `.deleted` files among it.
    pub fn parse(name: &str) -> Option<Self> {
        let (offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
        if offset.len() != 20 || epoch.len() != 10 {
            return None;
        }
        Some(Self {
            end_offset: Offset(digits(offset)?),
            epoch: LeaderEpoch(i32::try_from(digits(epoch)?).ok()?),
        })
    }
}

fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}
