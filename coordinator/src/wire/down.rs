//! What agents are sent, in pieces that stay below the contract's 1 MiB.

use bytes::Bytes;
use maxbrod_cut::{BatchEnd, Cut};
use maxbrod_kafka::{LeaderEpoch, Offset, TopicId};
use maxbrod_proto::agent as proto;

use crate::sequencer::{Assign, CutOrder, Phase, Query, QueryPartition, Ship, SourceOrder};

/// The size at which a piece is sent off: well below 1 MiB, whatever single partition follows.
const PIECE: usize = 512 * 1024;

/// An assignment in pieces; `base` says what the base holds of each partition.
pub(crate) fn assignment(
    assign: &Assign,
    base: impl Fn(&SourceOrder) -> Option<proto::BasePartition>,
) -> impl Iterator<Item = proto::ToAgent> {
    let partitions = assign
        .partitions
        .iter()
        .map(move |order| source_partition(order, base(order)));
    let (run, generation) = (assign.run, assign.generation);
    pieces(partitions.collect(), move |partitions, last| {
        proto::to_agent::Message::Assignment(proto::Assignment {
            run,
            generation,
            partitions,
            last,
        })
    })
}

/// A partition that the agent is the source of.
fn source_partition(order: &SourceOrder, base: Option<proto::BasePartition>) -> proto::SourcePartition {
    proto::SourcePartition {
        topic_id: topic_id(order.key.topic_id),
        topic: order.topic.clone(),
        partition: order.key.partition.0,
        compacted: order.compacted,
        retention_class: order.class.into(),
        base,
    }
}

/// A phase's question in pieces.
pub(crate) fn phase_query(query: &Query) -> impl Iterator<Item = proto::ToAgent> {
    let phase = match query.phase {
        Phase::A => proto::Phase::A,
        Phase::M => proto::Phase::M,
        Phase::Q => proto::Phase::Q,
        Phase::G => proto::Phase::G,
        Phase::P => proto::Phase::P,
        Phase::C => proto::Phase::C,
        Phase::Z => proto::Phase::Z,
    };
    let (run, attempt, depth, request) = (query.run, query.attempt, query.depth, query.request);
    pieces(
        query.partitions.iter().map(query_partition).collect(),
        move |partitions, last| {
            let phase = phase.into();
            proto::to_agent::Message::Phase(proto::PhaseQuery {
                run,
                attempt,
                phase,
                depth,
                request,
                partitions,
                last,
            })
        },
    )
}

fn query_partition(partition: &QueryPartition) -> proto::PartitionQuery {
    proto::PartitionQuery {
        topic_id: topic_id(partition.key.topic_id),
        topic: partition.topic.clone(),
        partition: partition.key.partition.0,
        compacted: partition.compacted,
        since: partition.since.map(|offset| offset.0),
        pin_from: partition.pin_from.map(|offset| offset.0),
        leader_epochs: partition.leader_epochs,
        records: partition.records,
    }
}

/// An order to ship in pieces.
pub(crate) fn ship_order(
    ship: &Ship,
    base: impl Fn(&SourceOrder) -> Option<proto::BasePartition>,
) -> impl Iterator<Item = proto::ToAgent> {
    let cuts = ship.cuts.iter().map(move |order| partition_cut(order, &base));
    let (run, attempt) = (ship.run, ship.attempt);
    pieces(cuts.collect(), move |cuts, last| {
        proto::to_agent::Message::Ship(proto::ShipOrder {
            run,
            attempt,
            cuts,
            last,
        })
    })
}

fn partition_cut(order: &CutOrder, base: impl Fn(&SourceOrder) -> Option<proto::BasePartition>) -> proto::PartitionCut {
    let (cut, empty) = match order.cut {
        Cut::After(batch) => (batch, false),
        Cut::Empty(end_offset) => (
            BatchEnd {
                end_offset,
                leader_epoch: LeaderEpoch(-1),
                crc: 0,
            },
            true,
        ),
    };
    proto::PartitionCut {
        topic_id: topic_id(order.key.topic_id),
        partition: order.key.partition.0,
        cut: Some(batch_end(&cut)),
        empty,
        leader_epochs: leader_epochs(&order.leader_epochs),
        source: order
            .source
            .as_ref()
            .map(|source| source_partition(source, base(source))),
    }
}

/// What the base holds of a partition.
pub(crate) fn base_partition(
    log_start: Offset,
    end: Option<BatchEnd>,
    epochs: &[(LeaderEpoch, Offset)],
    tail: Vec<proto::TailChunk>,
    match_by_id: bool,
) -> proto::BasePartition {
    proto::BasePartition {
        log_start: log_start.0,
        end: end.as_ref().map(batch_end),
        leader_epochs: leader_epochs(epochs),
        tail,
        match_by_id,
        producer_snapshot: Bytes::new(),
    }
}

fn batch_end(batch: &BatchEnd) -> proto::BatchEnd {
    proto::BatchEnd {
        end_offset: batch.end_offset.0,
        leader_epoch: batch.leader_epoch.0,
        crc: batch.crc,
    }
}

fn leader_epochs(epochs: &[(LeaderEpoch, Offset)]) -> Vec<proto::LeaderEpochEntry> {
    epochs
        .iter()
        .map(|(epoch, start)| proto::LeaderEpochEntry {
            epoch: epoch.0,
            start_offset: start.0,
        })
        .collect()
}

fn topic_id(id: TopicId) -> Bytes {
    Bytes::copy_from_slice(&id.0.0)
}

/// Spreads items over messages; the last message, which may be the only and an empty one, is marked.
fn pieces<T: prost::Message>(
    items: Vec<T>,
    wrap: impl Fn(Vec<T>, bool) -> proto::to_agent::Message,
) -> impl Iterator<Item = proto::ToAgent> {
    let mut groups: Vec<Vec<T>> = vec![Vec::new()];
    let mut size = 0;
    for item in items {
        let length = item.encoded_len();
        if size + length > PIECE && size > 0 {
            groups.push(Vec::new());
            size = 0;
        }
        size += length;
        if let Some(group) = groups.last_mut() {
            group.push(item);
        }
    }
    let count = groups.len();
    groups
        .into_iter()
        .enumerate()
        .map(move |(index, group)| proto::ToAgent {
            message: Some(wrap(group, index + 1 == count)),
        })
}
