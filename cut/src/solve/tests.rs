use maxbrod_kafka::{LeaderEpoch, Offset, PartitionId, TopicId, Uuid};

use super::*;
use crate::capture::{CapturedPartition, Cleaning, Cut, PartitionKey, PartitionKind};
use crate::prefix::BatchEnd;

#[test]
fn every_captured_partition_is_cut_at_its_replicated_prefix() {
    let key = |partition| PartitionKey {
        topic_id: TopicId(Uuid([7; 16])),
        partition: PartitionId(partition),
    };
    let after = Cut::After(BatchEnd {
        end_offset: Offset(120),
        leader_epoch: LeaderEpoch(3),
        crc: 9,
    });
    let captured = |partition, end| CapturedPartition {
        key: key(partition),
        topic: "orders".to_owned(),
        kind: PartitionKind::Data,
        start: None,
        sweeps: Vec::new(),
        end,
        batches: Vec::new(),
        tail: Vec::new(),
        states: Vec::new(),
        records: Vec::new(),
        open_at_start: None,
        cleaning: Cleaning::Never,
        unreadable: None,
    };
    let capture = Capture {
        partitions: vec![captured(0, after), captured(1, Cut::Empty(Offset(5)))],
        absent: Vec::new(),
        read_again: false,
    };
    let cuts = solve(&capture);
    assert_eq!(cuts.level.name(), "best-effort");
    assert_eq!(cuts.cuts.get(&key(0)).map(Cut::offset), Some(Offset(120)));
    assert_eq!(cuts.cuts.get(&key(1)).map(Cut::offset), Some(Offset(5)));
}
