//! The repository on real stores: a folder, an S3 server in process, and an independent one (versitygw).

// The lints allow these in test functions only, not in what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, unreachable_pub)]

mod backend;
mod clusters;
mod conformance;
mod damage;
mod faults;
mod identities;
mod journals;
mod leaf_sharing;
mod sample;
mod uploads;
