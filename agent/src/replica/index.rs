//! The offset index of a segment, entry by entry: of an index of ten megabytes a tail needs a handful.
//!
//! While its segment is active the file is preallocated, and after a truncation the entries beyond the end are still in it
//! (K§2.2). An entry is therefore a hint, to be confirmed by the batch it points at.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use maxbrod_kafka::OffsetIndexEntry;

/// An offset index, open.
#[derive(Debug)]
pub(super) struct Index<'f> {
    file: &'f File,
    entries: u64,
}

impl<'f> Index<'f> {
    /// Finds out how many entries there are before the zero tail.
    pub(super) fn open(file: &'f File) -> io::Result<Self> {
        let length = OffsetIndexEntry::LENGTH as u64;
        let mut index = Self {
            file,
            entries: file.metadata()?.len() / length,
        };
        let (mut low, mut high) = (0, index.entries);
        while low < high {
            let middle = low + (high - low) / 2;
            match index.entry(middle)? {
                Some(_) => low = middle + 1,
                None => high = middle,
            }
        }
        index.entries = low;
        Ok(index)
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> u64 {
        self.entries
    }

    /// An entry; `None` for padding. No entry has position 0: one is only made when bytes were appended before.
    pub(super) fn entry(&self, number: u64) -> io::Result<Option<OffsetIndexEntry>> {
        let mut raw = [0; OffsetIndexEntry::LENGTH];
        match self
            .file
            .read_exact_at(&mut raw, number * OffsetIndexEntry::LENGTH as u64)
        {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        Ok(OffsetIndexEntry::parse_all(&raw)
            .first()
            .copied()
            .filter(|entry| entry.position > 0))
    }

    /// How many entries come before the first one for which `beyond` holds; it must hold for all after that one.
    pub(super) fn count_before(&self, beyond: impl Fn(&OffsetIndexEntry) -> bool) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.entries);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle)?.is_none_or(|entry| beyond(&entry)) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        Ok(low)
    }
}
