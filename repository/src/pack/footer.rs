//! The table at the end of a pack.

use super::{ENTRY, MAGIC, MAX_TABLE, TRAILER, VERSION};
use crate::error::{Error, Result};
use crate::id::{ContentId, Hash, KeyId};

/// What a pack holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// The blobs, in order, without a gap.
    pub entries: Vec<PackEntry>,
}

/// One sealed chunk in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackEntry {
    /// Of the chunk.
    pub id: ContentId,
    /// Of the sealed bytes in the pack.
    pub position: u64,
    /// Of the sealed bytes.
    pub length: u64,
    /// The data key; `None`: not encrypted.
    pub key: Option<KeyId>,
    /// Of the sealed bytes.
    pub hash: Hash,
}

impl Footer {
    /// Where the blobs end and the table begins.
    pub fn content_length(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.position + entry.length)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let limit = |reason: &str| Error::Unwritable {
            object: "a pack".to_owned(),
            reason: reason.to_owned(),
        };
        let mut keys: Vec<KeyId> = Vec::new();
        let mut entries = Vec::with_capacity(self.entries.len() * ENTRY);
        for entry in &self.entries {
            let key = match entry.key {
                None => 0,
                Some(id) => match keys.iter().position(|key| *key == id) {
                    Some(place) => place as u32 + 1,
                    None => {
                        keys.push(id);
                        keys.len() as u32
                    }
                },
            };
            let length = u32::try_from(entry.length).map_err(|_| limit("a blob is longer than 4 GiB"))?;
            entries.extend_from_slice(&entry.id.0);
            entries.extend_from_slice(&entry.position.to_be_bytes());
            entries.extend_from_slice(&length.to_be_bytes());
            entries.extend_from_slice(&key.to_be_bytes());
            entries.extend_from_slice(&entry.hash.0);
        }
        let mut bytes = Vec::with_capacity(8 + keys.len() * 16 + entries.len() + TRAILER);
        bytes.extend_from_slice(&(keys.len() as u32).to_be_bytes());
        for key in &keys {
            bytes.extend_from_slice(&key.0);
        }
        bytes.extend_from_slice(&(self.entries.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&entries);
        if bytes.len() as u64 > MAX_TABLE {
            return Err(limit("it holds too many chunks"));
        }
        bytes.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        let hash = Hash::of(&bytes);
        bytes.extend_from_slice(&hash.0);
        bytes.extend_from_slice(MAGIC);
        Ok(bytes)
    }

    /// How many bytes before the pack's end the table and its trailer take, as the trailer says.
    pub(super) fn length_from_trailer(trailer: &[u8], object: &str) -> Result<u64> {
        let trailer = Trailer::read(trailer, object)?;
        Ok(u64::from(trailer.table_length) + TRAILER as u64)
    }

    /// From the last bytes of a pack; `end` is the pack's length.
    pub fn decode(bytes: &[u8], end: u64, object: &str) -> Result<Self> {
        let damaged = |reason: &str| Error::damaged(object, format!("its footer: {reason}"));
        let trailer = Trailer::read(bytes, object)?;
        let footer_length = trailer.table_length as usize + TRAILER;
        let start = bytes
            .len()
            .checked_sub(footer_length)
            .ok_or_else(|| damaged("it is cut off"))?;
        let footer = bytes.get(start..).unwrap_or_default();
        let (hashed, _) = footer
            .split_at_checked(trailer.table_length as usize + 8)
            .unwrap_or_default();
        if Hash::of(hashed) != trailer.hash {
            return Err(damaged("it does not have its hash"));
        }
        let mut table = Cursor(hashed.get(..trailer.table_length as usize).unwrap_or_default());
        let mut parse = || {
            let mut keys = Vec::new();
            for _ in 0..table.number()? {
                keys.push(KeyId(table.take()?));
            }
            let mut entries = Vec::new();
            for _ in 0..table.number()? {
                let id = ContentId(table.take()?);
                let position = u64::from_be_bytes(table.take()?);
                let length = u64::from(table.number()?);
                let key = match table.number()? {
                    0 => None,
                    place => Some(*keys.get(place as usize - 1)?),
                };
                entries.push(PackEntry {
                    id,
                    position,
                    length,
                    key,
                    hash: Hash(table.take()?),
                });
            }
            table.0.is_empty().then_some(Self { entries })
        };
        let footer = parse().ok_or_else(|| damaged("its table is malformed"))?;
        let mut expected = 0;
        for entry in &footer.entries {
            if entry.position != expected {
                return Err(damaged("its chunks do not follow each other"));
            }
            expected += entry.length;
        }
        if expected + footer_length as u64 != end {
            return Err(damaged("the chunks do not fill the pack"));
        }
        Ok(footer)
    }
}

struct Trailer {
    table_length: u32,
    hash: Hash,
}

impl Trailer {
    fn read(bytes: &[u8], object: &str) -> Result<Self> {
        let damaged = |reason: &str| Error::damaged(object, format!("its footer: {reason}"));
        let start = bytes
            .len()
            .checked_sub(TRAILER)
            .ok_or_else(|| damaged("it is cut off"))?;
        let mut cursor = Cursor(bytes.get(start..).unwrap_or_default());
        let mut parse = || {
            Some((
                cursor.number()?,
                cursor.number()?,
                Hash(cursor.take()?),
                cursor.take::<8>()?,
            ))
        };
        let (table_length, version, hash, magic) = parse().ok_or_else(|| damaged("it is cut off"))?;
        if magic != *MAGIC {
            return Err(damaged("it does not end like a pack; it is cut off or overwritten"));
        }
        if version > VERSION {
            return Err(Error::NewerFormat {
                object: object.to_owned(),
                found: u64::from(version),
                supported: u64::from(VERSION),
            });
        }
        if u64::from(table_length) > MAX_TABLE {
            return Err(damaged("its table is too long"));
        }
        Ok(Self { table_length, hash })
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }
}
