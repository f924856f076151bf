//! Batches of the metadata log, and what they do to the image.

use bytes::Bytes;
use maxbrod_cut::BatchEnd;
use maxbrod_kafka::metadata::{MetadataImage, MetadataRecord, Position};
use maxbrod_kafka::{Batch, Batches, ControlRecord, LeaderEpoch, NodeId, Offset, records};

/// One batch of the metadata log.
#[derive(Debug)]
pub(super) struct LogBatch {
    pub(super) base_offset: Offset,
    pub(super) end: BatchEnd,
    bytes: Bytes,
}

impl LogBatch {
    /// Whether it is the batch so named.
    pub(super) fn is(&self, name: (Offset, LeaderEpoch, u32)) -> bool {
        (self.end.end_offset, self.end.leader_epoch, self.end.crc) == name
    }
}

/// Splits a stretch of log into its batches, CRCs checked.
pub(super) fn read_batches(bytes: Bytes) -> Result<Vec<LogBatch>, String> {
    let mut found = Vec::new();
    for batch in Batches::new(&bytes, 0) {
        let batch = batch.map_err(|error| error.to_string())?;
        let header = batch.header.ok_or_else(|| format!("the batch at byte {} is of an old format", batch.position))?;
        let end = BatchEnd { end_offset: header.next_offset(), leader_epoch: header.leader_epoch, crc: header.crc };
        found.push(LogBatch { base_offset: header.base_offset, end, bytes: bytes.slice_ref(batch.bytes) });
    }
    Ok(found)
}

/// Replays a batch. Returns the voters, when it names them.
pub(super) fn replay(image: &mut MetadataImage, batch: &LogBatch) -> Result<Option<Vec<NodeId>>, String> {
    let mut voters = None;
    for parsed in Batches::new(&batch.bytes, 0) {
        let parsed = parsed.map_err(|error| error.to_string())?;
        match contents(&parsed)? {
            Contents::Control(named) => voters = named.or(voters),
            Contents::Data(records) => {
                for (offset, record) in records {
                    image.apply(offset, batch.end.leader_epoch, record).map_err(|error| error.to_string())?;
                }
            }
        }
    }
    // Control records, and offsets whose records carry nothing, are part of the log as well.
    image.advance(batch.end.end_offset, batch.end.leader_epoch);
    Ok(voters)
}

/// Reads a checkpoint file: the image, and the voters if it names them.
pub(super) fn read_checkpoint(at: Position, bytes: Bytes) -> Result<(MetadataImage, Option<Vec<NodeId>>), String> {
    let mut voters = None;
    let mut all = Vec::new();
    let mut is_complete = false;
    for batch in Batches::new(&bytes, 0) {
        let batch = batch.map_err(|error| error.to_string())?;
        match contents(&batch)? {
            Contents::Control(named) => {
                voters = named.or(voters);
                is_complete = ends_checkpoint(&batch);
            }
            Contents::Data(records) => all.extend(records.into_iter().map(|(_, record)| record)),
        }
    }
    if !is_complete {
        return Err("its footer is missing".to_owned());
    }
    let image = MetadataImage::from_snapshot(at, all).map_err(|error| error.to_string())?;
    Ok((image, voters))
}

enum Contents {
    /// Control records, and the voters that they name.
    Control(Option<Vec<NodeId>>),
    /// Metadata records and their offsets.
    Data(Vec<(Offset, MetadataRecord)>),
}

fn contents(batch: &Batch<'_>) -> Result<Contents, String> {
    let base = batch.base_offset();
    let failure = |why: String| format!("the batch at offset {base}: {why}");
    let is_control = batch.header.is_some_and(|header| header.attributes.is_control());
    let records = records(batch).ok_or_else(|| failure("it is compressed".to_owned()))?;
    let mut voters = None;
    let mut data = Vec::new();
    for record in records {
        let record = record.map_err(|error| failure(error.to_string()))?;
        if is_control {
            if let ControlRecord::KRaftVoters(named) = ControlRecord::decode(&record).map_err(|error| failure(error.to_string()))? {
                voters = Some(named.voters.iter().map(|voter| voter.voter_id).collect());
            }
            continue;
        }
        let offset = Offset(base.0.saturating_add(i64::from(record.offset_delta)));
        let value = record.value.ok_or_else(|| failure("a record has no value".to_owned()))?;
        data.push((offset, MetadataRecord::decode(value).map_err(|error| failure(error.to_string()))?));
    }
    Ok(if is_control { Contents::Control(voters) } else { Contents::Data(data) })
}

fn ends_checkpoint(batch: &Batch<'_>) -> bool {
    let last = records(batch).and_then(|records| records.filter_map(Result::ok).last());
    last.is_some_and(|record| matches!(ControlRecord::decode(&record), Ok(ControlRecord::SnapshotFooter(_))))
}
