//! Kafka's formats, the metadata aside.

use maxbrod_kafka::consumer_offsets::GroupRecord;
use maxbrod_kafka::message::Reader;
use maxbrod_kafka::transaction_state::TransactionRecord;
use maxbrod_kafka::{
    AbortedTransaction, BatchHeader, Batches, CheckpointId, ControlRecord, DirectoryId, LogDirEntry, MetaProperties,
    Offset, OffsetIndexEntry, Properties, QuorumState, Rebuild, Record, SegmentFile, SegmentLimits, ServerProperties,
    TimeIndexEntry, Uuid, clamp_leader_epochs, parse_clean_shutdown, parse_leader_epochs, parse_offset_checkpoint,
    parse_partition_metadata, parse_producer_snapshot, records, write_clean_shutdown, write_leader_epochs,
    write_offset_checkpoint, write_partition_metadata, write_producer_snapshot,
};

/// Puts right the CRC of every batch, up to where none can be.
pub(crate) fn with_crcs(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    let mut position = 0;
    while let Some(Ok(length)) = maxbrod_kafka::batch_length(&bytes[position..], 0) {
        let Some(end) = usize::try_from(length)
            .ok()
            .and_then(|length| position.checked_add(length))
        else {
            break;
        };
        if end > bytes.len() {
            break;
        }
        if length >= 61 && bytes[position + 16] == 2 {
            let crc = crc32c::crc32c(&bytes[position + 21..end]);
            bytes[position + 17..position + 21].copy_from_slice(&crc.to_be_bytes());
        }
        position = end;
    }
    bytes
}

pub fn batches(data: &[u8]) {
    let bytes = with_crcs(data);
    let mut end = 0;
    for batch in Batches::new(&bytes, 0).map_while(Result::ok) {
        assert_eq!(batch.position, end, "no byte between two batches is passed over");
        end += batch.bytes.len() as u64;
        let _ = (
            batch.base_offset(),
            batch.last_offset(),
            batch.next_offset(),
            batch.max_timestamp(),
        );
        if let Some(header) = &batch.header {
            let mut written = Vec::new();
            header.write(&mut written);
            assert_eq!(BatchHeader::parse(&written).as_ref(), Some(header));
            let _ = (header.size_in_bytes(), header.last_sequence(), header.delete_horizon());
        }
        for record in records(&batch).into_iter().flatten().map_while(Result::ok) {
            if let Some(header) = &batch.header {
                let _ = (record.offset(header), record.timestamp(header));
            }
            let mut written = Vec::new();
            record.write(&mut written);
            assert_eq!(Record::read(&mut Reader::new(&written)).as_ref(), Ok(&record));
        }
    }
    let _ = Batches::new(data, u64::MAX / 2).count();
}

pub fn rebuild(data: &[u8]) {
    let bytes = with_crcs(data);
    let limits = SegmentLimits {
        segment_bytes: 4096,
        index_bytes: 256,
    };
    let mut rebuild: Option<Rebuild> = None;
    for batch in Batches::new(&bytes, 0).map_while(Result::ok) {
        let rebuild = rebuild.get_or_insert_with(|| Rebuild::new(batch.base_offset(), 64));
        if rebuild.should_roll(limits, &batch) {
            rebuild.roll(batch.base_offset());
        }
        if rebuild.append(&batch).is_err() {
            break;
        }
    }
    if let Some(mut rebuild) = rebuild {
        let indexes = rebuild.finish();
        let _ = OffsetIndexEntry::parse_all(&indexes.offset_index);
        let producers = rebuild.producers();
        let parsed = parse_producer_snapshot(&write_producer_snapshot(&producers));
        assert_eq!(parsed.as_deref(), Ok(producers.as_slice()));
        let _ = (rebuild.last_stable_offset(), rebuild.first_unstable_offset());
    }
}

pub fn indexes(data: &[u8]) {
    let entries = OffsetIndexEntry::parse_all(data);
    let _ = OffsetIndexEntry::lookup(&entries, 7);
    let entries = TimeIndexEntry::parse_all(data);
    let _ = TimeIndexEntry::lookup(&entries, 7);
    if let Some(entries) = AbortedTransaction::parse_all(data) {
        let mut written = Vec::new();
        for entry in &entries {
            entry.write(&mut written);
        }
        assert_eq!(AbortedTransaction::parse_all(&written), Some(entries.clone()));
        let _ = AbortedTransaction::overlapping(&entries, Offset(1), Offset(i64::MAX));
    }
}

pub fn producer_snapshot(data: &[u8]) {
    let mut bytes = data.to_vec();
    if bytes.len() > 6 {
        let crc = crc32c::crc32c(&bytes[6..]);
        bytes[2..6].copy_from_slice(&crc.to_be_bytes());
    }
    if let Ok(entries) = parse_producer_snapshot(&bytes) {
        assert_eq!(write_producer_snapshot(&entries), bytes);
    }
    let _ = parse_producer_snapshot(data);
}

pub fn checkpoint_files(data: &[u8]) {
    if let Ok(entries) = parse_offset_checkpoint(data) {
        let written = write_offset_checkpoint(&entries);
        assert_eq!(parse_offset_checkpoint(written.as_bytes()), Ok(entries));
    }
    if let Ok(entries) = parse_leader_epochs(data) {
        let written = write_leader_epochs(&entries);
        assert_eq!(parse_leader_epochs(written.as_bytes()).as_ref(), Ok(&entries));
        let _ = clamp_leader_epochs(&entries, Offset(3), Offset(i64::MAX));
    }
    if let Some(id) = parse_partition_metadata(data) {
        assert_eq!(
            parse_partition_metadata(write_partition_metadata(id).as_bytes()),
            Some(id)
        );
    }
    if let Some(epoch) = parse_clean_shutdown(data) {
        assert_eq!(
            parse_clean_shutdown(write_clean_shutdown(epoch).as_bytes()),
            Some(epoch)
        );
    }
}

pub fn properties(data: &[u8]) {
    let properties = Properties::from_bytes(data);
    assert_eq!(Properties::parse(&properties.render()), properties);
    if let Ok(server) = ServerProperties::from_properties(&properties) {
        let _ = server.static_voters();
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(meta) = MetaProperties::parse(&text) {
        assert_eq!(MetaProperties::parse(&meta.render()).as_ref(), Ok(&meta));
    }
    let _ = QuorumState::parse(&text);
}

pub fn names(data: &[u8]) {
    let name = String::from_utf8_lossy(data);
    if let Some((offset, kind)) = SegmentFile::parse(&name) {
        assert_eq!(SegmentFile::parse(&kind.name(offset)), Some((offset, kind)));
    }
    let _ = SegmentFile::parse_in_transit(&name);
    if let Some(id) = CheckpointId::parse(&name) {
        assert_eq!(CheckpointId::parse(&id.file_name()), Some(id));
    }
    let _ = LogDirEntry::of(&name);
    if let Ok(uuid) = name.parse::<Uuid>() {
        assert_eq!(uuid.to_string().parse(), Ok(uuid));
        let _ = DirectoryId(uuid).is_reserved();
    }
    crate::repository::names(&name);
}

/// Splits an input into a key and, unless its first byte is odd, a value.
fn key_and_value(data: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (&[kind, length], rest) = data.split_first_chunk::<2>()?;
    let (key, value) = rest.split_at_checked(length.into())?;
    Some((key, (kind % 2 == 0).then_some(value)))
}

pub fn control_records(data: &[u8]) {
    let Some((key, value)) = key_and_value(data) else {
        return;
    };
    let record = Record {
        attributes: 0,
        timestamp_delta: 0,
        offset_delta: 0,
        key: Some(key),
        value,
        headers: Vec::new(),
    };
    if let Ok(decoded) = ControlRecord::decode(&record)
        && let Ok((key, value)) = decoded.encode()
    {
        let again = Record {
            key: Some(&key),
            value: Some(&value),
            ..record
        };
        assert_eq!(ControlRecord::decode(&again).as_ref(), Ok(&decoded));
    }
}

pub fn coordinator_records(data: &[u8]) {
    let Some((key, value)) = key_and_value(data) else {
        return;
    };
    if let Ok(record) = TransactionRecord::decode(key, value)
        && let (Ok(key), Ok(value)) = (record.encode_key(), record.encode_value())
    {
        assert_eq!(TransactionRecord::decode(&key, value.as_deref()).as_ref(), Ok(&record));
    }
    if let Ok(record) = GroupRecord::decode(key, value)
        && let (Ok(key), Ok(value)) = (record.encode_key(), record.encode_value())
    {
        assert_eq!(GroupRecord::decode(&key, value.as_deref()).as_ref(), Ok(&record));
        let _ = (record.kind().name(), record.group());
    }
}
