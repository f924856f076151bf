//! Reading a pack where it lies.

use bytes::Bytes;

use super::{Footer, PackEntry, TRAILER};
use crate::error::{Error, Result};
use crate::id::Hash;
use crate::store::Store;

/// What is usually enough to hold table and trailer: one request instead of two.
const GUESS: u64 = 64 << 10;

/// A pack in the store, its footer read.
#[derive(Debug)]
pub struct PackReader {
    store: Store,
    object: String,
    length: u64,
    footer: Footer,
}

impl PackReader {
    /// Reads the footer of the object with this name (relative to the repository).
    pub async fn open(store: &Store, object: &str) -> Result<Self> {
        let info = store.head(object).await?.ok_or_else(|| Error::Missing {
            object: object.to_owned(),
        })?;
        let length = info.length;
        let mut start = length.saturating_sub(GUESS);
        let mut tail = store.get_range(object, start..length).await?;
        let needed = Footer::length_from_trailer(&tail, object)?.min(length);
        if needed > tail.len() as u64 {
            start = length - needed;
            tail = store.get_range(object, start..length).await?;
        }
        let footer = Footer::decode(&tail, length, object)?;
        Ok(Self {
            store: store.clone(),
            object: object.to_owned(),
            length,
            footer,
        })
    }

    /// In bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What it holds.
    pub fn entries(&self) -> &[PackEntry] {
        &self.footer.entries
    }

    /// The sealed bytes of a chunk, found to have their hash.
    pub async fn sealed(&self, entry: &PackEntry) -> Result<Bytes> {
        let bytes = self
            .store
            .get_range(&self.object, entry.position..entry.position + entry.length)
            .await?;
        self.check(entry, &bytes)?;
        Ok(bytes)
    }

    /// Reads the whole pack and checks every chunk's hash; needs no key.
    pub async fn check_all(&self) -> Result<()> {
        let bytes = self.store.get(&self.object).await?;
        if bytes.len() as u64 != self.length {
            return Err(Error::damaged(&self.object, "its length changed"));
        }
        for entry in &self.footer.entries {
            let range = entry.position as usize..(entry.position + entry.length) as usize;
            self.check(entry, bytes.get(range).unwrap_or_default())?;
        }
        Ok(())
    }

    fn check(&self, entry: &PackEntry, bytes: &[u8]) -> Result<()> {
        if Hash::of(bytes) != entry.hash {
            return Err(Error::damaged(
                &self.object,
                format!(
                    "the sealed chunk {} at byte {} does not have its hash",
                    entry.id, entry.position
                ),
            ));
        }
        Ok(())
    }
}

const _: () = assert!(GUESS > TRAILER as u64);
