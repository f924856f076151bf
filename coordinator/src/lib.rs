//! The coordinator: sequences snapshots of a whole cluster, grants uploads, and commits (DESIGN §3–§5).
//!
//! One file per stage. What decides is pure and has no clock: [`sequencer`] (the snapshot), [`quorum`] (the metadata),
//! [`source_plan`] (who is read), [`registry`] (who is connected). What acts is thin: the services take messages in, the
//! conductor feeds the pure parts and does what they say, `lease` and `commit` write to the repository.

#![forbid(unsafe_code)]

mod agents_service;
mod base;
mod cache;
mod commit;
mod conductor;
mod config;
mod coordinator;
mod grants;
pub mod harvest;
mod hooks;
mod house;
mod http;
pub mod layout;
mod lease;
mod metrics;
mod operator_service;
pub mod quorum;
pub mod registry;
pub mod schedule;
pub mod sequencer;
pub mod source_plan;
mod status;
mod wire;

pub use cache::CacheError;
pub use config::{Config, ConfigError, Consistency, Hook, HookMoment, OnFailure, Require, Retention, Snapshot, Tls};
pub use coordinator::{Coordinator, CoordinatorError, run};
