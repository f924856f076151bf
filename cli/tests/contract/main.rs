//! The command line's contract, as far as it needs neither Kafka nor a coordinator: exit codes, documents, errors that say
//! what to do.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "what helpers of tests cannot do, the test cannot do"
)]

mod backup;
mod coordinators;
mod manuals;
mod program;
mod repositories;
mod restores;
mod snapshots;
