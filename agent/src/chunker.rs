//! Where one chunk ends and the next begins: a function of the batches alone, so that replicas with other segment files, and
//! later snapshots, come to the same chunks.
//!
//! A chunk is whole batches. It ends at the first batch end at which it is at least [`MIN`] long and the batch is a *mark*:
//! a hash of (base offset, CRC, leader epoch) lies below a threshold that grows with the batch's length, so that marks are
//! [`SPACING`] bytes apart on average whatever the size of batches. It also ends before a batch that would make it longer
//! than [`MAX`]; a single larger batch is a chunk of its own.

#[cfg(test)]
mod tests;

/// No chunk that ends at a mark is shorter.
pub(crate) const MIN: u64 = 4 << 20;
/// Average distance between marks.
const SPACING: u64 = 1 << 20;
/// Only a single batch may be longer.
pub(crate) const MAX: u64 = 8 << 20;

/// What of a batch decides about boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its first offset.
    pub(crate) base_offset: i64,
    /// Its leader epoch.
    pub(crate) epoch: i32,
    /// Its CRC.
    pub(crate) crc: u32,
    /// All its bytes.
    pub(crate) length: u64,
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It belongs to the chunk at hand, which goes on.
    Goes,
    /// It belongs to the chunk at hand and is its last.
    Ends,
    /// The chunk at hand ended before it; it is the first of the next one. `ends` if it is also that one's last.
    EndedBefore {
        /// Whether the batch makes a whole chunk by itself.
        ends: bool,
    },
}

/// Cuts a stream of batches into chunks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunker {
    length: u64,
}

impl Chunker {
    /// Starts a chunk.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes the next batch.
    pub(crate) fn push(&mut self, piece: &Piece) -> Step {
        let ended_before = self.length > 0 && self.length + piece.length > MAX;
        self.length = if ended_before {
            piece.length
        } else {
            self.length + piece.length
        };
        let ends = self.length >= MAX || (self.length >= MIN && is_mark(piece));
        if ends {
            self.length = 0;
        }
        match (ended_before, ends) {
            (true, ends) => Step::EndedBefore { ends },
            (false, true) => Step::Ends,
            (false, false) => Step::Goes,
        }
    }

    /// Ends the chunk at hand, whatever it holds.
    pub(crate) fn restart(&mut self) {
        self.length = 0;
    }
}

fn is_mark(piece: &Piece) -> bool {
    let share = u64::MAX / SPACING;
    hash(piece) < share.saturating_mul(piece.length)
}

/// Two rounds of MurmurHash3's 64-bit finaliser. Fixed for ever: another function would make every chunk a new one.
fn hash(piece: &Piece) -> u64 {
    let epoch_and_crc = u64::from(piece.epoch as u32) << 32 | u64::from(piece.crc);
    mix(mix(piece.base_offset as u64) ^ epoch_and_crc)
}

fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}
