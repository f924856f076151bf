//! What the tests of the whole agent have in common.

pub mod agent;
pub mod coordinator;
pub mod disk;
