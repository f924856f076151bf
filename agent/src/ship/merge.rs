//! Merging the small chunks at the end of a partition.
//!
//! Each snapshot leaves an open chunk at its cut. A later one takes the last piece in as long as it is not larger than what
//! comes anew, so that every byte is stored again a logarithmic number of times, and a year of one-minute snapshots consists
//! of as many chunks as one (but for a logarithmic number at its end).

/// A chunk at the end of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TailPiece {
    /// Its first offset.
    pub(crate) base: i64,
    /// Length of its batches.
    pub(crate) length: u64,
}

/// How many pieces at the end of `tail` are to be read again together with `new` bytes that follow them.
pub(crate) fn pieces_to_merge(tail: &[TailPiece], new: u64) -> usize {
    let mut total = new;
    let mut merged = 0;
    for piece in tail.iter().rev() {
        if piece.length > total {
            break;
        }
        total += piece.length;
        merged += 1;
    }
    merged
}
