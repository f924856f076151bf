//! Kafka's on-disk formats as pure code.

#![forbid(unsafe_code)]

#[macro_use]
pub mod message;
