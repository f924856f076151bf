//! End-to-end tests on real Kafka clusters, one cluster at a time: run with `--test-threads=1`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where and stop"
)]

mod bad_input;
mod interrupted;
mod missing_agent;
mod moment;
mod round_trip;
mod tour;
