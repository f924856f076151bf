//! End-to-end tests on real Kafka clusters, one cluster at a time: run with `--test-threads=1`.

mod bad_input;
mod round_trip;
