//! The agent beside each Kafka node: watches its log dirs, reports what they hold, pins files and ships record batches.
//!
//! One process per node, dialling out to the coordinator. It opens files and never talks to Kafka.

#![forbid(unsafe_code)]

mod chunker;
mod config;
mod directory;
mod error;
mod frame;
mod link;
mod log_dir;
mod metadata_log;
mod node;
mod pack;
mod partition;
mod pin;
mod records;
mod replica;
mod run;
mod session;
mod ship;
mod space;
mod state;
mod stop;
mod throttle;
mod upkeep;

pub use config::{ByteSize, Config, ConfigError, Kafka, Limits, MinFree, SizeError, Tls};
pub use error::AgentError;
#[cfg(feature = "measure")]
pub use pin::PinRehearsal;
pub use run::{Pin, drop_pins, list_pins, run};
pub use state::StateError;

#[cfg(test)]
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]
#[path = "../tests/support/disk.rs"]
mod disk;
