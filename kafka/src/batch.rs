//! Record batches, the unit of Kafka's log: header, checksum, and the walk over a file of them (K§5.2, `DefaultRecordBatch`).

mod attributes;
mod builder;
mod header;
mod walk;

#[cfg(test)]
mod tests;

pub use attributes::{Attributes, Compression, TimestampType};
pub use builder::BatchBuilder;
pub use header::{BatchHeader, HEADER_LENGTH, PREFIX_LENGTH};
pub use walk::{Batch, BatchError, Batches, batch_length, check_crc};
