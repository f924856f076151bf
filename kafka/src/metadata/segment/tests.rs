use super::*;
use crate::batch::{Attributes, BatchBuilder, Compression};
use crate::control::LeaderChange;
use crate::ids::{LeaderEpoch, NodeId, TopicId, Uuid};
use crate::metadata::record::{BeginTransactionRecord, EndTransactionRecord, TopicRecord};

fn data(base: i64, epoch: i32, records: &[MetadataRecord]) -> Vec<u8> {
    let mut batch = BatchBuilder::new(Offset(base), LeaderEpoch(epoch));
    for record in records {
        batch = batch.record(1000 + base, None, Some(&record.encode().unwrap()));
    }
    batch.build()
}

fn leader(base: i64, epoch: i32) -> Vec<u8> {
    let record = ControlRecord::LeaderChange(LeaderChange {
        leader_id: NodeId(2),
        ..LeaderChange::default()
    });
    let (key, value) = record.encode().unwrap();
    let batch = BatchBuilder::new(Offset(base), LeaderEpoch(epoch)).attributes(Attributes::CONTROL_BATCH);
    batch.record(1000 + base, Some(&key), Some(&value)).build()
}

fn topic(n: u8) -> MetadataRecord {
    TopicRecord {
        name: format!("topic-{n}"),
        topic_id: TopicId(Uuid([n; 16])),
        ..TopicRecord::default()
    }
    .into()
}

/// Two epochs: a leader, two topics, a leader, one topic.
fn segment() -> Vec<u8> {
    [
        leader(0, 1),
        data(1, 1, &[topic(1), topic(2)]),
        leader(3, 2),
        data(4, 2, &[topic(3)]),
    ]
    .concat()
}

#[test]
fn a_segments_batches_have_their_offsets_and_epochs() {
    let bytes = segment();
    let batches: Vec<_> = MetadataBatches::new(&bytes, 500).map(Result::unwrap).collect();
    let ends: Vec<_> = batches
        .iter()
        .map(|batch| (batch.end.end_offset.0, batch.end.epoch.0))
        .collect();
    assert_eq!(ends, [(1, 1), (3, 1), (4, 2), (5, 2)]);
    assert_eq!((batches[0].position, batches[1].timestamp), (500, 1001));
    assert_eq!(
        batches[1].content,
        BatchContent::Data(vec![(Offset(1), topic(1)), (Offset(2), topic(2))])
    );
    assert!(matches!(&batches[2].content, BatchContent::Control(records) if records[0].0 == Offset(3)));
}

#[test]
fn an_image_follows_a_segment_up_to_the_offset_asked_for() {
    let mut image = MetadataImage::new();
    assert_eq!(image.apply_segment(&segment(), Offset(4)).unwrap(), SegmentEnd::Reached);
    assert_eq!((image.topics().count(), image.position().end_offset), (2, Offset(4)));
    assert_eq!(image.apply_segment(&segment(), Offset(9)).unwrap(), SegmentEnd::Whole);
    assert_eq!((image.topics().count(), image.position().epoch), (3, LeaderEpoch(2)));
}

#[test]
fn a_growing_segment_is_read_up_to_its_last_whole_batch() {
    let whole = segment();
    let mut image = MetadataImage::new();
    let torn = &whole[..whole.len() - 1];
    assert_eq!(image.apply_segment(torn, Offset(9)).unwrap(), SegmentEnd::Torn);
    assert_eq!(image.position().end_offset, Offset(4));
    let preallocated = [whole, vec![0; 100]].concat();
    assert_eq!(image.apply_segment(&preallocated, Offset(9)).unwrap(), SegmentEnd::Torn);
    assert_eq!(image.position().end_offset, Offset(5));
}

#[test]
fn an_image_stands_before_a_transaction_that_the_log_leaves_open() {
    let begun = data(0, 1, &[topic(1), BeginTransactionRecord::default().into(), topic(2)]);
    let mut image = MetadataImage::new();
    image.apply_segment(&begun, Offset(9)).unwrap();
    assert_eq!((image.position().end_offset, image.topics().count()), (Offset(1), 1));
    let ended = data(3, 1, &[EndTransactionRecord::default().into()]);
    image.apply_segment(&ended, Offset(9)).unwrap();
    assert_eq!((image.position().end_offset, image.topics().count()), (Offset(4), 2));
}

#[test]
fn damage_is_an_error_and_not_an_end() {
    let mut bytes = segment();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let error = MetadataImage::new().apply_segment(&bytes, Offset(9)).unwrap_err();
    assert_eq!(error.code(), "batch-corrupt");
}

#[test]
fn what_is_no_metadata_is_refused() {
    let compressed = BatchBuilder::new(Offset(0), LeaderEpoch(1))
        .raw_body(Compression::Zstd, b"??", 1, 0, 5)
        .build();
    let code = |bytes: &[u8]| MetadataBatches::new(bytes, 0).next().unwrap().unwrap_err().code();
    assert_eq!(code(&compressed), "metadata-foreign-batch");
    let no_value = BatchBuilder::new(Offset(0), LeaderEpoch(1))
        .record(0, None, None)
        .build();
    assert_eq!(code(&no_value), "message-truncated");
    let other = BatchBuilder::new(Offset(0), LeaderEpoch(1))
        .record(0, Some(b"k"), Some(&[9, 9]))
        .build();
    assert_eq!(code(&other), "metadata-frame-version");
    let short = BatchBuilder::new(Offset(0), LeaderEpoch(1))
        .raw_body(Compression::None, &[], 3, 2, 5)
        .build();
    assert_eq!(code(&short), "metadata-malformed-batch");
}
