//! The coordinator: sequences snapshots of a whole cluster, grants uploads, and commits (DESIGN §3–§5).
//!
//! One file per stage. What decides is pure and has no clock: [`sequencer`] (the snapshot), [`quorum`] (the metadata),
//! [`source_plan`] (who is read), [`registry`] (who is connected). What acts is thin.

#![forbid(unsafe_code)]

mod base;
mod cache;
mod commit;
mod conductor;
mod config;
mod grants;
pub mod harvest;
pub mod layout;
mod lease;
mod metrics;
pub mod quorum;
pub mod registry;
pub mod schedule;
pub mod sequencer;
pub mod source_plan;
mod wire;

pub use config::{Config, ConfigError, Require, Retention, Snapshot, Tls};
