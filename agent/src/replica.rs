//! Looking at a replica: its ends, its epochs, its last batches. Reads as little as possible, and never trusts a file's size
//! (K§2.5).

mod high_watermark;
mod index;
mod log_start;
mod observe;
mod segment;
mod window;

pub(crate) use high_watermark::HighWatermarks;
pub(crate) use log_start::{LogStarts, log_start};
pub(crate) use observe::{Ask, End, Observed, Run, RunKind, observe};
pub(crate) use segment::{Segment, Stop, locate};

#[cfg(test)]
mod tests;
