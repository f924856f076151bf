//! The records of coordinators' topics: what transactions are at, and what groups committed, as their logs say it.
//!
//! `__transaction_state` is followed all the time, so that a phase finds the last state of every transactional id ready and
//! reads only what is new. Of the others the few records since the snapshot began are read when a phase asks for them.
//! Nothing here is half a truth: records that can't be read, or a log that changes while it is read, is an error that names
//! the partition and the place.

mod cursor;
mod entry;
mod error;
mod fold;
mod follower;
mod followers;
mod tail;
mod topic;

pub(crate) use entry::Entry;
pub(crate) use error::RecordsError;
pub(crate) use fold::Moment;
pub(crate) use followers::{Followers, follow};
pub(crate) use tail::records_since;
pub(crate) use topic::CoordinatorTopic;

#[cfg(test)]
mod tests;
