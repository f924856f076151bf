//! One record of a coordinator's topic, kept as small as it can be.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use maxbrod_kafka::{Batch, Records, decompress};

/// The most that the records of one batch may unfold to. Coordinators write a megabyte at once unless told otherwise.
const LARGEST_BATCH: usize = 32 << 20;

/// A record: offset, key and value. Equal to those with the same key, so that a set holds the last one of each.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) offset: i64,
    key_length: u32,
    has_value: bool,
    /// The key, then the value: half a million of them are kept, one allocation each.
    bytes: Box<[u8]>,
}

impl Entry {
    /// What an entry takes besides its bytes: itself in a set with room to grow, and the allocation's overhead.
    pub(super) const OVERHEAD: usize = 64;

    pub(crate) fn new(offset: i64, key: &[u8], value: Option<&[u8]>) -> Self {
        Self {
            offset,
            key_length: key.len() as u32,
            has_value: value.is_some(),
            bytes: [key, value.unwrap_or_default()].concat().into(),
        }
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.bytes.get(..self.key_length as usize).unwrap_or_default()
    }

    /// `None`: a tombstone.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.has_value
            .then(|| self.bytes.get(self.key_length as usize..).unwrap_or_default())
    }

    /// Bytes of memory that it takes, nearly.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + Self::OVERHEAD
    }

    /// The records of a batch, without those of markers. A record without a key, which coordinators never write, has an
    /// empty one.
    pub(super) fn all_of(batch: &Batch<'_>) -> Result<Vec<Self>, String> {
        let body = decompress(batch, LARGEST_BATCH).map_err(|error| error.to_string())?;
        // Without a header it could not have been decompressed.
        let Some(header) = batch.header.filter(|header| !header.attributes.is_control()) else {
            return Ok(Vec::new());
        };
        let mut entries = Vec::new();
        for record in Records::new(&header, &body) {
            let record = record.map_err(|error| error.to_string())?;
            let offset = record.offset(&header).0;
            if !(header.base_offset.0..=header.last_offset().0).contains(&offset) {
                return Err(format!("a record in it has offset {offset}"));
            }
            entries.push(Self::new(offset, record.key.unwrap_or_default(), record.value));
        }
        if !entries.is_sorted_by(|one, next| one.offset < next.offset) {
            return Err("its records are not in order".to_owned());
        }
        Ok(entries)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Borrow<[u8]> for Entry {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}
