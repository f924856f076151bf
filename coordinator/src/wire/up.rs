//! What agents send.

use std::time::Duration;

use maxbrod_cut::{BatchEnd, CoordinatorRecord, TransactionalRun, TransactionalRunKind};
use maxbrod_kafka::{DirectoryId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Uuid};
use maxbrod_proto::agent as proto;

use super::{WireError, partition_key, uuid};
use crate::harvest::{Place, Shipped, ShippedChunk, ShippedPiece};
use crate::sequencer::{Phase, Report, Reports, Seen, ShipFailure};

/// Reads one message of reports.
pub(crate) fn reports(message: proto::PhaseReports) -> Result<Reports, WireError> {
    let phase = match message.phase() {
        proto::Phase::M => Phase::M,
        proto::Phase::Q => Phase::Q,
        proto::Phase::G => Phase::G,
        proto::Phase::P => Phase::P,
        proto::Phase::C => Phase::C,
        proto::Phase::A => Phase::A,
        proto::Phase::Z => Phase::Z,
        proto::Phase::Unspecified => return Err(WireError::new("reports", "no phase is named")),
    };
    let reports = message.reports.into_iter().map(report).collect::<Result<_, _>>()?;
    Ok(Reports {
        run: message.run,
        attempt: message.attempt,
        phase,
        request: message.request,
        reports,
    })
}

fn report(message: proto::PartitionReport) -> Result<Report, WireError> {
    const NAME: &str = "report";
    let key = partition_key(NAME, &message.topic_id, message.partition)?;
    let said = message.error_message.clone();
    let pin_failure = match message.error() {
        proto::ReportError::None => None,
        proto::ReportError::PinFailed => Some(said),
        proto::ReportError::NoReplica => {
            return Ok(Report {
                key,
                seen: Err(describe("it has no replica there", &said)),
            });
        }
        proto::ReportError::Unreadable => {
            return Ok(Report {
                key,
                seen: Err(describe("it cannot be read", &said)),
            });
        }
        proto::ReportError::Corrupt => {
            return Ok(Report {
                key,
                seen: Err(describe("it is damaged", &said)),
            });
        }
    };
    let batches: Vec<BatchEnd> = message.batches.iter().map(batch_end).collect();
    let log_end = Offset(message.log_end);
    let ascends = batches.is_sorted_by(|a, b| a.end_offset < b.end_offset);
    if !ascends || message.log_start > message.log_end || batches.last().is_some_and(|last| last.end_offset > log_end) {
        return Ok(Report {
            key,
            seen: Err("its agent's report contradicts itself".to_owned()),
        });
    }
    let transactional = message
        .transactional
        .iter()
        .map(transactional_run)
        .collect::<Result<_, _>>()?;
    let directory = if message.directory_id.is_empty() {
        Uuid::ZERO
    } else {
        uuid(NAME, &message.directory_id)?
    };
    let seen = Seen {
        log_start: Offset(message.log_start),
        log_end,
        batches,
        whole: message.whole,
        leader_epochs: leader_epochs(&message.leader_epochs),
        transactional,
        directory: DirectoryId(directory),
        pin_failure,
        records: message.records.into_iter().map(coordinator_record).collect(),
        states: message.states.into_iter().map(coordinator_record).collect(),
        records_error: Some(message.records_error).filter(|error| !error.is_empty()),
        checkpointed: message
            .checkpointed_high_watermark
            .map(|offset| (Offset(offset), Duration::from_millis(message.checkpoint_age_ms))),
        active_base: message.active_segment_base.map(Offset),
        more: message.more,
    };
    Ok(Report { key, seen: Ok(seen) })
}

fn describe(what: &str, said: &str) -> String {
    if said.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {said}")
    }
}

fn batch_end(message: &proto::BatchEnd) -> BatchEnd {
    BatchEnd {
        end_offset: Offset(message.end_offset),
        leader_epoch: LeaderEpoch(message.leader_epoch),
        crc: message.crc,
    }
}

fn coordinator_record(message: proto::CoordinatorRecord) -> CoordinatorRecord {
    CoordinatorRecord {
        offset: Offset(message.offset),
        key: message.key,
        value: message.value,
    }
}

fn leader_epochs(messages: &[proto::LeaderEpochEntry]) -> Vec<(LeaderEpoch, Offset)> {
    messages
        .iter()
        .map(|entry| (LeaderEpoch(entry.epoch), Offset(entry.start_offset)))
        .collect()
}

fn transactional_run(message: &proto::TransactionalRun) -> Result<TransactionalRun, WireError> {
    let coordinator_epoch = LeaderEpoch(message.coordinator_epoch);
    let kind = match message.kind() {
        proto::RunKind::Data => TransactionalRunKind::Data,
        proto::RunKind::Commit => TransactionalRunKind::Commit { coordinator_epoch },
        proto::RunKind::Abort => TransactionalRunKind::Abort { coordinator_epoch },
        proto::RunKind::Unspecified => return Err(WireError::new("report", "a transactional run of no kind")),
    };
    let producer_epoch = i16::try_from(message.producer_epoch)
        .map_err(|_| WireError::new("report", format!("producer epoch {} cannot be", message.producer_epoch)))?;
    Ok(TransactionalRun {
        base_offset: Offset(message.base_offset),
        next_offset: Offset(message.next_offset),
        producer_id: ProducerId(message.producer_id),
        producer_epoch: ProducerEpoch(producer_epoch),
        kind,
    })
}

/// Reads a piece of what a partition consists of.
pub(crate) fn shipped_piece(message: proto::ShippedPartition) -> Result<ShippedPiece, WireError> {
    const NAME: &str = "shipped partition";
    let key = partition_key(NAME, &message.topic_id, message.partition)?;
    let directory = if message.directory_id.is_empty() {
        Uuid::ZERO
    } else {
        uuid(NAME, &message.directory_id)?
    };
    let shipped = Shipped {
        log_start: Offset(message.log_start),
        inherited_to: Offset(message.inherited_to),
        chunks: message.chunks.iter().map(chunk).collect::<Result<_, _>>()?,
        producer_snapshot: message.producer_snapshot.as_ref().map(chunk).transpose()?,
        partition_metadata: message.partition_metadata,
        directory: DirectoryId(directory),
        read_bytes: message.read_bytes,
        stored_bytes: message.stored_bytes,
        gaps: message.gaps,
    };
    if !shipped.chunks.is_sorted_by(|a, b| a.next_offset <= b.base_offset) {
        return Err(WireError::new(NAME, "its chunks do not ascend"));
    }
    Ok(ShippedPiece {
        run: message.run,
        attempt: message.attempt,
        key,
        shipped,
        more: message.more,
    })
}

fn chunk(message: &proto::ShippedChunk) -> Result<ShippedChunk, WireError> {
    const NAME: &str = "shipped chunk";
    let id: [u8; 32] = message
        .id
        .as_ref()
        .try_into()
        .map_err(|_| WireError::new(NAME, format!("an id of {} bytes instead of 32", message.id.len())))?;
    Ok(ShippedChunk {
        id,
        base_offset: Offset(message.base_offset),
        next_offset: Offset(message.next_offset),
        leader_epoch: LeaderEpoch(message.leader_epoch),
        logical_length: message.logical_length,
        place: message.place.as_ref().map(place).transpose()?,
        closed: message.closed,
    })
}

fn place(message: &proto::PackPlace) -> Result<Place, WireError> {
    const NAME: &str = "place of a chunk";
    let pack = message
        .pack
        .as_ref()
        .ok_or_else(|| WireError::new(NAME, "no pack is named"))?;
    let key_id = match message.key_id.as_ref() {
        [] => None,
        bytes => Some(
            bytes
                .try_into()
                .map_err(|_| WireError::new(NAME, "a key id that is not 16 bytes"))?,
        ),
    };
    Ok(Place {
        run: pack.run,
        epoch: pack.epoch,
        sequence: pack.sequence,
        position: message.position,
        length: message.length,
        key_id,
    })
}

/// Reads why a partition was not shipped.
pub(crate) fn ship_failure(message: proto::ShipFailed) -> Result<ShipFailure, WireError> {
    Ok(ShipFailure {
        run: message.run,
        attempt: message.attempt,
        key: partition_key("failure to ship", &message.topic_id, message.partition)?,
        code: message.code,
        message: message.message,
        try_elsewhere: message.try_elsewhere,
    })
}
