//! KRaft's metadata: its records, the image they add up to, and the files that hold them.
//!
//! * [`MetadataRecord`]: every record of Kafka 4.0 to 4.3 with its framing (K§5.5); the records themselves are in [`record`].
//! * [`MetadataImage`]: what the records up to some offset add up to; how replay changes it follows Kafka's `*Delta` classes.
//! * [`MetadataBatches`]: the batches of a segment of `__cluster_metadata-0`. [`Checkpoint`]: a KRaft snapshot, both ways (K§5.6).

pub mod record;

mod checkpoint;
mod image;
mod segment;

pub use checkpoint::{Checkpoint, CheckpointError, CheckpointWriter, Quorum, encode_checkpoint};
pub use image::{
    CleanupPolicy, ConfigResource, ImageFlaw, METADATA_VERSION, MetadataImage, Position, QuotaTarget, ReplayError,
    ReplayReason, ResourceKind, Topic, TopicConfig,
};
pub use record::{MetadataRecord, RecordError};
pub use segment::{BatchContent, MetadataBatch, MetadataBatches, SegmentEnd, SegmentError};
