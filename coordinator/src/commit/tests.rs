use std::collections::BTreeSet;
use std::sync::Arc;

use maxbrod_cut::{BatchEnd as CutEnd, Cut, PartitionKey};
use maxbrod_kafka::metadata::record::{PartitionRecord as PartitionOfImage, TopicRecord};
use maxbrod_kafka::metadata::{MetadataImage as Image, MetadataRecord, Position};
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset, PartitionId, Uuid};
use proptest::prelude::*;

use super::refs::check;
use super::*;
use crate::harvest::{Place, Shipped, ShippedChunk, Times};
use crate::layout::{Layout, RetentionClass};
use crate::quorum::Metadata;
use crate::sequencer::{SourceOrder, Standing, View};

fn key(topic: u8, partition: i32) -> PartitionKey {
    PartitionKey {
        topic_id: TopicId(Uuid([topic; 16])),
        partition: PartitionId(partition),
    }
}

fn after(end: i64) -> Cut {
    Cut::After(CutEnd {
        end_offset: Offset(end),
        leader_epoch: LeaderEpoch(0),
        crc: 7,
    })
}

fn harvested(log_start: i64, inherited_to: i64, cut: Cut, chunks: &[(i64, i64)]) -> HarvestedPartition {
    let place = Place {
        run: 1,
        epoch: 1,
        sequence: 0,
        position: 0,
        length: 10,
        key_id: None,
    };
    let chunk = |(base, next): &(i64, i64)| ShippedChunk {
        id: [*base as u8; 32],
        base_offset: Offset(*base),
        next_offset: Offset(*next),
        leader_epoch: LeaderEpoch(0),
        logical_length: 100,
        place: Some(place),
        closed: true,
    };
    HarvestedPartition {
        order: SourceOrder {
            key: key(1, 0),
            topic: "orders".to_owned(),
            compacted: false,
            class: RetentionClass::Day,
        },
        source: NodeId(1),
        cut,
        leader_epochs: Vec::new(),
        vouched: true,
        shipped: Shipped {
            log_start: Offset(log_start),
            inherited_to: Offset(inherited_to),
            chunks: chunks.iter().map(chunk).collect(),
            ..Shipped::default()
        },
    }
}

async fn resolve(partition: &HarvestedPartition) -> Result<Refs, RefsError> {
    Refs::resolve(1, partition, None, &Base::default()).await.unwrap()
}

#[tokio::test]
async fn whole_logs_pass_and_holes_are_named() {
    assert!(resolve(&harvested(0, 0, after(30), &[(0, 10), (10, 30)])).await.is_ok());
    // Records were deleted up to the middle of the first chunk.
    assert!(resolve(&harvested(7, 7, after(30), &[(0, 10), (10, 30)])).await.is_ok());
    assert!(resolve(&harvested(5, 5, Cut::Empty(Offset(5)), &[])).await.is_ok());
    // Everything that was captured has been deleted since.
    assert!(resolve(&harvested(30, 30, after(30), &[])).await.is_ok());
    let hole = resolve(&harvested(0, 0, after(30), &[(0, 10), (12, 30)]))
        .await
        .unwrap_err();
    assert_eq!(
        hole,
        RefsError::Hole {
            from: Offset(10),
            to: Offset(12)
        }
    );
    assert_eq!(hole.to_string(), "offsets 10 to 12 are in no chunk");
    let start = resolve(&harvested(0, 0, after(30), &[(5, 30)])).await.unwrap_err();
    assert_eq!(
        start,
        RefsError::Hole {
            from: Offset(0),
            to: Offset(5)
        }
    );
    let short = resolve(&harvested(0, 0, after(30), &[(0, 10)])).await.unwrap_err();
    assert_eq!(
        short,
        RefsError::End {
            end: Offset(10),
            cut: Offset(30)
        }
    );
    let long = resolve(&harvested(0, 0, after(30), &[(0, 40)])).await.unwrap_err();
    assert_eq!(
        long,
        RefsError::End {
            end: Offset(40),
            cut: Offset(30)
        }
    );
    let above = resolve(&harvested(40, 40, after(30), &[])).await.unwrap_err();
    assert_eq!(
        above,
        RefsError::Start {
            log_start: Offset(40),
            cut: Offset(30)
        }
    );
}

#[tokio::test]
async fn a_log_that_was_compacted_once_may_have_holes_if_its_agent_saw_so() {
    let mut once = harvested(0, 0, after(30), &[(3, 10), (15, 30)]);
    assert!(matches!(resolve(&once).await, Err(RefsError::Hole { .. })));
    once.shipped.gaps = true;
    assert!(resolve(&once).await.is_ok());
    assert!(once.has_gaps(), "the manifest says so, and so the next snapshot knows");
}

#[tokio::test]
async fn a_compacted_log_may_have_holes_but_not_run_past_its_cut() {
    let mut sparse = harvested(0, 0, after(30), &[(3, 10), (15, 30)]);
    sparse.order.compacted = true;
    assert!(resolve(&sparse).await.is_ok());
    let mut long = harvested(0, 0, after(30), &[(3, 10), (15, 31)]);
    long.order.compacted = true;
    assert_eq!(
        resolve(&long).await.unwrap_err(),
        RefsError::End {
            end: Offset(31),
            cut: Offset(30)
        }
    );
}

#[tokio::test]
async fn what_the_base_does_not_hold_cannot_be_inherited() {
    let inherits = resolve(&harvested(0, 10, after(30), &[(10, 30)])).await.unwrap_err();
    assert_eq!(inherits, RefsError::Inheritance { to: Offset(10) });
    let mut by_id = harvested(0, 0, after(10), &[(0, 10)]);
    by_id.shipped.chunks[0].place = None;
    assert!(matches!(
        resolve(&by_id).await,
        Err(RefsError::NotInBase { offset: Offset(0), .. })
    ));
    let mut foreign = harvested(0, 0, after(10), &[(0, 10)]);
    foreign.shipped.chunks[0].place = Some(Place {
        run: 9,
        epoch: 1,
        sequence: 0,
        position: 0,
        length: 1,
        key_id: None,
    });
    assert!(matches!(
        resolve(&foreign).await,
        Err(RefsError::ForeignPack { run: 1, .. })
    ));
}

proptest! {
    /// Any way to cut a log into chunks is complete; without any one of them it is not.
    #[test]
    fn a_missing_chunk_is_always_found(lengths in prop::collection::vec(1i64..50, 1..20), missing: prop::sample::Index) {
        let mut next = 0;
        let bounds: Vec<(i64, i64)> = lengths.iter().map(|length| { let base = next; next += length; (base, next) }).collect();
        let resolved = |bounds: &[(i64, i64)]| {
            let partition = harvested(0, 0, after(next), bounds);
            let refs: Vec<_> = partition.shipped.chunks.iter()
                .map(|chunk| super::refs::chunk_ref(1, chunk, &Default::default()).unwrap()).collect();
            check(&partition, &refs)
        };
        prop_assert_eq!(resolved(&bounds), Ok(()));
        let mut holed = bounds.clone();
        holed.remove(missing.index(holed.len()));
        prop_assert!(resolved(&holed).is_err());
    }
}

fn image(topics: &[(u8, i32)]) -> Image {
    let mut records: Vec<MetadataRecord> = Vec::new();
    for (number, partitions) in topics {
        let topic_id = TopicId(Uuid([*number; 16]));
        records.push(
            TopicRecord {
                name: format!("t{number}"),
                topic_id,
                ..TopicRecord::default()
            }
            .into(),
        );
        for partition in 0..*partitions {
            let partition_id = PartitionId(partition);
            records.push(
                PartitionOfImage {
                    partition_id,
                    topic_id,
                    ..PartitionOfImage::default()
                }
                .into(),
            );
        }
    }
    Image::from_snapshot(
        Position {
            end_offset: Offset(50),
            epoch: LeaderEpoch(1),
        },
        records,
    )
    .unwrap()
}

#[test]
fn what_was_created_after_the_snapshot_began_is_not_in_its_metadata() {
    let layout = Layout {
        offset: Offset(50),
        epoch: LeaderEpoch(1),
        topics: BTreeMap::new(),
        brokers: BTreeSet::new(),
        controllers: BTreeSet::new(),
    };
    let harvest = Harvest {
        run: 1,
        attempt: 1,
        label: String::new(),
        times: Times::default(),
        level: Level::CrashConsistent,
        view: View {
            layout: Arc::new(layout),
            metadata: Metadata::of_nothing(),
            standing: Standing::Committed,
        },
        partitions: vec![harvested(0, 0, after(30), &[(0, 30)])],
        missing: BTreeSet::from([key(2, 0)]),
        gaps: Vec::new(),
        notes: Vec::new(),
        cut_back: Vec::new(),
        hooks: Vec::new(),
    };
    // Topic 1 got a second partition, topic 3 is new; topic 2 is a gap of the snapshot, and part of the cluster all the same.
    let reduced = super::image::reduce(&image(&[(1, 2), (2, 1), (3, 1)]), &harvest);
    let left: Vec<(String, usize)> = reduced
        .topics()
        .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
        .collect();
    assert_eq!(left, [("t1".to_owned(), 1), ("t2".to_owned(), 1)]);
}

#[test]
fn failures_say_what_to_do() {
    let error = CommitError::Partition {
        partition: "orders-3".to_owned(),
        source: RefsError::Hole {
            from: Offset(1),
            to: Offset(2),
        },
    };
    let failure = Failure::from(&error);
    assert_eq!(failure.code, "partition-incomplete");
    assert_eq!(
        failure.message,
        "commit partition orders-3: offsets 1 to 2 are in no chunk"
    );
    assert!(failure.remedy.contains("snapshot again"));
}
