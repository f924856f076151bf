//! The lab on real clusters.

#![allow(clippy::unwrap_used, reason = "a test fails where something is not as it must be")]

mod faults;
mod one_moment;
mod scene;
mod whole;
