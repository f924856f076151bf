//! The journal: one cluster's commit point, fence and audit trail.
//!
//! Entry n is a JSON object that is created once under its number and names the hash of entry n − 1's bytes. Only one
//! who has read all before it may write it, so that whoever loses a number reads on and decides again. What the entries
//! add up to is a [`JournalState`]; every entry whose number is a multiple of 64 carries the state before it, so that
//! reading costs a listing and at most 64 objects.

mod entry;
mod event;
mod handle;
mod state;
#[cfg(test)]
mod tests;
mod verify;

pub use entry::{Entry, genesis};
pub use event::{Committed, Configured, Consistency, Event, RootRef, SnapshotTotals};
pub use handle::{Appended, Journal};
pub use state::{JournalState, Mark, OpenRun, Snapshot};
pub use verify::{JournalFinding, JournalReport, verify_journal};

/// Entries whose number is a multiple of this carry a checkpoint.
pub const CHECKPOINT_EVERY: u64 = 64;
