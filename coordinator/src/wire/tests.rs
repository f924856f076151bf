use bytes::Bytes;
use maxbrod_cut::{BatchEnd, Cut};
use maxbrod_kafka::{LeaderEpoch, Offset};
use maxbrod_proto::agent as proto;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::layout::RetentionClass;
use crate::sequencer::{Assign, CutOrder, Phase, Query, QueryPartition, Ship, SourceOrder};

fn order(partition: i32) -> SourceOrder {
    let key = PartitionKey {
        topic_id: TopicId(Uuid([7; 16])),
        partition: PartitionId(partition),
    };
    SourceOrder {
        key,
        topic: "a-topic-with-a-rather-long-name".to_owned(),
        compacted: false,
        class: RetentionClass::Day,
    }
}

fn is_small(message: &proto::ToAgent) -> bool {
    message.encoded_len() < 1 << 20
}

#[test]
fn long_messages_come_in_pieces_of_which_the_last_is_marked() {
    let assign = Assign {
        node: maxbrod_kafka::NodeId(1),
        run: 3,
        generation: 9,
        partitions: (0..40_000).map(order).collect(),
    };
    let messages: Vec<_> = assignment(&assign, |_| None).collect();
    assert!(messages.len() > 1 && messages.iter().all(is_small));
    let mut partitions = 0;
    for (index, message) in messages.iter().enumerate() {
        let Some(proto::to_agent::Message::Assignment(piece)) = &message.message else {
            panic!("{message:?}")
        };
        assert_eq!((piece.run, piece.generation), (3, 9));
        assert_eq!(piece.last, index + 1 == messages.len());
        partitions += piece.partitions.len();
    }
    assert_eq!(partitions, 40_000);
}

#[test]
fn an_empty_assignment_is_one_message() {
    let assign = Assign {
        node: maxbrod_kafka::NodeId(1),
        run: 3,
        generation: 9,
        partitions: Vec::new(),
    };
    let messages: Vec<_> = assignment(&assign, |_| None).collect();
    assert_eq!(messages.len(), 1);
}

#[test]
fn orders_say_where_the_cut_is() {
    let batch = BatchEnd {
        end_offset: Offset(20),
        leader_epoch: LeaderEpoch(4),
        crc: 9,
    };
    let cut = |cut, source| CutOrder {
        key: order(0).key,
        cut,
        leader_epochs: vec![(LeaderEpoch(4), Offset(3))],
        source,
    };
    let cuts = vec![cut(Cut::After(batch), None), cut(Cut::Empty(Offset(5)), Some(order(0)))];
    let ship = Ship {
        node: maxbrod_kafka::NodeId(1),
        run: 3,
        attempt: 8,
        cuts,
    };
    let messages: Vec<_> = ship_order(&ship, |_| None).collect();
    let Some(proto::to_agent::Message::Ship(piece)) = &messages[0].message else {
        panic!("{messages:?}")
    };
    assert_eq!(
        piece.cuts[0].cut,
        Some(proto::BatchEnd {
            end_offset: 20,
            leader_epoch: 4,
            crc: 9
        })
    );
    assert!(!piece.cuts[0].empty && piece.cuts[0].source.is_none());
    assert!(piece.cuts[1].empty && piece.cuts[1].source.is_some());
    assert_eq!(piece.cuts[1].cut.as_ref().map(|cut| cut.end_offset), Some(5));
}

#[test]
fn questions_keep_what_each_partition_is_asked() {
    let partition = QueryPartition {
        key: order(2).key,
        topic: "t".to_owned(),
        compacted: true,
        since: Some(Offset(7)),
        pin_from: None,
        leader_epochs: true,
        records: true,
    };
    let query = Query {
        node: maxbrod_kafka::NodeId(1),
        run: 3,
        attempt: 8,
        phase: Phase::G,
        request: 5,
        depth: 2,
        partitions: vec![partition],
    };
    let messages: Vec<_> = phase_query(&query).collect();
    let Some(proto::to_agent::Message::Phase(piece)) = &messages[0].message else {
        panic!("{messages:?}")
    };
    assert_eq!(
        (piece.phase(), piece.request, piece.depth, piece.last),
        (proto::Phase::G, 5, 2, true)
    );
    let asked = &piece.partitions[0];
    assert_eq!(
        (asked.since, asked.pin_from, asked.leader_epochs, asked.compacted),
        (Some(7), None, true, true)
    );
}

fn report() -> proto::PartitionReport {
    proto::PartitionReport {
        topic_id: Bytes::from(vec![7; 16]),
        log_end: 20,
        batches: vec![proto::BatchEnd {
            end_offset: 20,
            leader_epoch: 0,
            crc: 1,
        }],
        ..proto::PartitionReport::default()
    }
}

fn read(report: proto::PartitionReport) -> Result<Result<crate::sequencer::Seen, String>, WireError> {
    let message = proto::PhaseReports {
        phase: proto::Phase::P.into(),
        reports: vec![report],
        ..proto::PhaseReports::default()
    };
    reports(message).map(|read| read.reports.into_iter().next().expect("one").seen)
}

#[test]
fn a_report_that_contradicts_itself_counts_as_unreadable() {
    assert!(read(report()).unwrap().is_ok());
    let beyond = proto::PartitionReport {
        log_end: 10,
        ..report()
    };
    assert!(read(beyond).unwrap().unwrap_err().contains("contradicts"));
    let start = proto::PartitionReport {
        log_start: 30,
        ..report()
    };
    assert!(read(start).unwrap().is_err());
    let twice = proto::PartitionReport {
        batches: vec![report().batches[0]; 2],
        ..report()
    };
    assert!(read(twice).unwrap().is_err());
}

#[test]
fn errors_of_replicas_are_told_in_words() {
    let damaged = proto::PartitionReport {
        error: proto::ReportError::Corrupt.into(),
        error_message: "CRC at byte 7".to_owned(),
        ..report()
    };
    assert_eq!(read(damaged).unwrap().unwrap_err(), "it is damaged: CRC at byte 7");
    let unpinned = proto::PartitionReport {
        error: proto::ReportError::PinFailed.into(),
        error_message: "EXDEV".to_owned(),
        ..report()
    };
    assert_eq!(read(unpinned).unwrap().unwrap().pin_failure.as_deref(), Some("EXDEV"));
}

#[test]
fn ids_of_the_wrong_length_are_refused() {
    let short = proto::PartitionReport {
        topic_id: Bytes::from(vec![7; 15]),
        ..report()
    };
    assert_eq!(read(short).unwrap_err().code(), "agent-message-invalid");
    let chunk = proto::ShippedChunk {
        id: Bytes::from(vec![1; 31]),
        ..proto::ShippedChunk::default()
    };
    let message = proto::ShippedPartition {
        topic_id: Bytes::from(vec![7; 16]),
        chunks: vec![chunk],
        ..proto::ShippedPartition::default()
    };
    assert!(shipped_piece(message).is_err());
}

proptest! {
    /// Whatever an agent sends: an answer, never a panic.
    #[test]
    fn arbitrary_messages_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = proto::PhaseReports::decode(bytes.as_slice()) { let _ = reports(message); }
        if let Ok(message) = proto::ShippedPartition::decode(bytes.as_slice()) { let _ = shipped_piece(message); }
        if let Ok(message) = proto::ShipFailed::decode(bytes.as_slice()) { let _ = ship_failure(message); }
    }
}
