//! An S3 server in the test's own process.
//!
//! Its conditional create is really atomic: one mutex around everything. It checks signatures, checksums and conditions
//! like S3 does, keeps objects in memory where a test can look at them and damage them, and misbehaves on request. It is
//! our own model of S3, so the conformance suite also runs on an independent server.

mod bucket;
mod fault;
mod sample;
mod server;

pub use fault::{Fault, Lie, Operation};
pub use sample::SampleRandom;
pub use server::S3TestServer;

/// Changes the JSON text of an object (config, key, journal entry) and makes its hash right again: what a newer version
/// or a forger might have written.
pub fn rewrite(object: &mut Vec<u8>, change: impl FnOnce(String) -> String) {
    let json = crate::document::json(object, "the object").unwrap_or_default();
    *object = crate::document::frame(change(String::from_utf8_lossy(json).into_owned()).into_bytes()).to_vec();
}
