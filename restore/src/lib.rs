//! Rebuilds Kafka nodes from a snapshot: a plan that fixes every choice, and its application, node by node.
//!
//! A restored directory holds what a clean shutdown leaves, so that a broker that opens it has nothing to recover: segments
//! re-rolled at the topic's segment size, every index, producer snapshots, leader epochs, the checkpoints of the log dir, and
//! the clean-shutdown marker with the epoch of the restored registration (K§4.2, K§10). Controllers get one rewritten KRaft
//! checkpoint and no log. `meta.properties`, without which nothing starts, comes last.

#![forbid(unsafe_code)]

mod apply;
mod disk;
mod endings;
mod error;
mod image;
mod log_dir;
mod options;
mod partition_writer;
mod plan;
mod planning;
mod progress_file;
#[cfg(test)]
mod sample;
mod source;

pub use apply::{Applied, Apply, Owner, Progress, apply};
pub use error::{Error, Kind, Result};
pub use options::{PathMap, PlanOptions};
pub use plan::{CheckpointPlan, HeldConfig, LogDirPlan, NodePlan, Plan, RestoreKind};
pub use planning::plan;
