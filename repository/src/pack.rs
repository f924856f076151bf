//! Packs: sealed chunks back to back, and a footer that lets anyone check them without a key.
//!
//! ```text
//! pack    = blob* table trailer
//! table   = keys: u32, key id(16)*            the data keys used, usually one
//!           chunks: u32, entry*
//! entry   = id(32) position: u64 length: u32 key: u32 blake3(32)      hash of the sealed bytes
//! trailer = table length: u32, version: u32, blake3(32) of table, length and version, "MAXBRODP"
//! ```
//!
//! Numbers are big-endian. An entry's `key` is 1 + the place in `keys`; 0: not encrypted. Entries follow each other
//! without a gap from position 0, so that the table's first byte is where the last blob ends.

mod footer;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use footer::{Footer, PackEntry};
pub use reader::PackReader;
pub use writer::{FinishedPack, PackWriter};

/// A pack is finished when the next blob would make it longer; only a single larger blob may.
pub const TARGET_LENGTH: u64 = 64 << 20;

const MAGIC: &[u8; 8] = b"MAXBRODP";
const VERSION: u32 = 1;
const TRAILER: usize = 4 + 4 + 32 + 8;
const ENTRY: usize = 32 + 8 + 4 + 4 + 32;
/// No table is longer: a pack of 64 MiB has some hundred chunks.
const MAX_TABLE: u64 = 16 << 20;
