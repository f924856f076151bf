//! The consistent cut: what the replicas of a running cluster reported goes in, an offset per partition to cut at comes out.
//!
//! Pure: no I/O, no clock. [`common_prefix`] finds what all members of a partition hold alike (R(p), K§2.3 as corrected by
//! experiment: the smallest log end is *not* it), [`solve`] turns the captured phases into cuts and says how consistent they
//! are together.

#![forbid(unsafe_code)]

mod capture;
mod cuts;
#[cfg(test)]
mod model;
mod prefix;
mod solve;

pub use capture::{
    Absence, AbsentPartition, Capture, CapturedPartition, Cleaning, CoordinatorRecord, Cut, OpenTransaction,
    PartitionKey, PartitionKind, TransactionalRun, TransactionalRunKind,
};
pub use cuts::{CutBack, Cuts, Level, Note, Rule};
pub use prefix::{BatchEnd, Matching, Prefix, ReplicaLog, common_prefix};
pub use solve::{solve, unanchored};
