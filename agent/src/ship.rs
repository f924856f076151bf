//! Shipping: from the segments of a partition to chunks in packs, and to the list of which chunks a partition consists.
//!
//! *Eager*: closed segments of the assigned partitions, chunk by complete chunk, while they are hot. *Final*: up to the cut,
//! with the open chunk at the end. Nothing is trusted that was not looked at again: what the base holds and what was shipped
//! eagerly counts only if the batch now on disk at its end has the offset, epoch and CRC that were recorded (Kafka's log
//! matching then makes everything below it the same), and the last batch shipped must be the one that the cut names.

mod append_only;
mod chunk;
mod compacted;
mod epochs;
mod error;
mod finish;
mod job;
mod merge;
mod order;
mod producer_snapshot;
mod queue;
mod reader;
mod service;
mod source;
mod worker;

pub(crate) use order::{Order, SourcePartition, end_from_wire};
pub(crate) use service::{Parts, Shipper};

#[cfg(test)]
mod tests;
