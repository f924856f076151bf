//! The metadata log: records, segments, checkpoints.

use maxbrod_kafka::metadata::{Checkpoint, MetadataImage, MetadataRecord, Position, encode_checkpoint};
use maxbrod_kafka::{LeaderEpoch, Offset};

use crate::kafka::with_crcs;

pub fn metadata_records(data: &[u8]) {
    if let Ok(record) = MetadataRecord::decode(data)
        && let Ok(written) = record.encode()
    {
        let again = MetadataRecord::decode(&written).expect("what was written can be read");
        // Not the values: a NaN differs from itself.
        assert_eq!(again.encode().as_ref(), Ok(&written));
    }
}

pub fn metadata_segment(data: &[u8]) {
    let bytes = with_crcs(data);
    let mut image = MetadataImage::new();
    let _ = image.apply_segment(&bytes, Offset(i64::MAX));
    let _ = (
        image.partition_count(),
        image.highest_leader_epoch(),
        image.not_understood().count(),
    );
}

pub fn metadata_checkpoint(data: &[u8]) {
    let bytes = with_crcs(data);
    let end = Position {
        end_offset: Offset(1 << 40),
        epoch: LeaderEpoch(1 << 20),
    };
    if let Ok(checkpoint) = Checkpoint::decode(end, &bytes)
        && let Ok(written) = encode_checkpoint(
            &checkpoint.image,
            &checkpoint.quorum,
            checkpoint.last_contained_log_timestamp,
        )
    {
        assert!(
            Checkpoint::decode(end, &written).is_ok(),
            "what was written can be read"
        );
    }
}
