//! Writing a pack to a spool file.

use std::io::Write;

use sha2::{Digest as _, Sha256};

use super::{Footer, PackEntry, TARGET_LENGTH};
use crate::error::{Error, Result};
use crate::id::{ContentId, Hash, KeyId};

/// Writes one pack. It has no name yet: that comes with the grant for its length and hash.
#[derive(Debug)]
pub struct PackWriter<W> {
    out: W,
    sha256: Sha256,
    footer: Footer,
    length: u64,
}

/// A pack that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedPack {
    /// In bytes, the footer included.
    pub length: u64,
    /// Of all bytes.
    pub sha256: [u8; 32],
    /// What it holds.
    pub footer: Footer,
}

impl<W: Write> PackWriter<W> {
    /// An empty pack.
    pub fn new(out: W) -> Self {
        Self {
            out,
            sha256: Sha256::new(),
            footer: Footer::default(),
            length: 0,
        }
    }

    /// Appends a sealed chunk; returns where it lies.
    pub fn append(&mut self, id: ContentId, key: Option<KeyId>, sealed: &[u8]) -> Result<PackEntry> {
        self.out
            .write_all(sealed)
            .map_err(|source| Error::store("writing", "a pack's spool file", source))?;
        self.sha256.update(sealed);
        let length = sealed.len() as u64;
        let entry = PackEntry {
            id,
            position: self.length,
            length,
            key,
            hash: Hash::of(sealed),
        };
        self.footer.entries.push(entry);
        self.length += length;
        Ok(entry)
    }

    /// Whether a blob of this length still belongs into it.
    pub fn has_room(&self, length: u64) -> bool {
        self.is_empty() || self.length + length <= TARGET_LENGTH
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.footer.entries.is_empty()
    }

    /// The chunks so far.
    pub fn entries(&self) -> &[PackEntry] {
        &self.footer.entries
    }

    /// Writes the footer and gives the spool back.
    pub fn finish(mut self) -> Result<(FinishedPack, W)> {
        let footer = self.footer.encode()?;
        let failed = |source| Error::store("writing", "a pack's spool file", source);
        self.out.write_all(&footer).map_err(failed)?;
        self.out.flush().map_err(failed)?;
        self.sha256.update(&footer);
        let length = self.length + footer.len() as u64;
        Ok((
            FinishedPack {
                length,
                sha256: self.sha256.finalize().into(),
                footer: self.footer,
            },
            self.out,
        ))
    }
}
