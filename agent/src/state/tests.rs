use std::fs;

use maxbrod_kafka::{PartitionId, TopicId, Uuid};
use maxbrod_repository::{ContentId, KeyId, PackName};
use tempfile::tempdir;

use super::{ChunkKind, ChunkRow, EpochRun, PackId, Place, SealedPack, SegmentChunk, SegmentRow, State};
use crate::partition::PartitionKey;

fn key() -> PartitionKey {
    PartitionKey {
        topic_id: TopicId(Uuid([3; 16])),
        partition: PartitionId(5),
    }
}

fn chunk(base: i64, pack: Option<PackId>) -> ChunkRow {
    let place = match pack {
        None => Place::Base,
        Some(pack) => Place::Pack {
            pack,
            position: 17,
            length: 99,
            key: Some(KeyId([9; 16])),
        },
    };
    ChunkRow {
        id: ContentId([base as u8; 32]),
        base,
        next: base + 10,
        epoch: 2,
        crc: u32::MAX,
        length: 1 << 33,
        closed: base % 20 == 0,
        epochs: vec![
            EpochRun { epoch: 1, start: base },
            EpochRun {
                epoch: 2,
                start: base + 4,
            },
        ],
        place,
    }
}

fn sealed(id: PackId, run: u64) -> SealedPack {
    SealedPack {
        id,
        run,
        length: 123,
        sha256: [8; 32],
        key: Some(KeyId([9; 16])),
    }
}

#[test]
fn chunks_are_remembered_in_order() {
    let directory = tempdir().unwrap();
    let state = State::open(directory.path()).unwrap();
    let pack = state.begin_pack(1, Some(KeyId([9; 16]))).unwrap();
    for base in [20, 0, 10] {
        state
            .add_chunk(1, &key(), ChunkKind::Log, &chunk(base, Some(pack)))
            .unwrap();
    }
    state
        .add_chunk(1, &key(), ChunkKind::Snapshot, &chunk(10, None))
        .unwrap();
    let rows = state.chunks(1, &key(), ChunkKind::Log).unwrap();
    assert_eq!(
        rows,
        [chunk(0, Some(pack)), chunk(10, Some(pack)), chunk(20, Some(pack))]
    );
    assert_eq!(state.last_chunk(1, &key()).unwrap(), Some(chunk(20, Some(pack))));
    state.drop_chunks_from(1, &key(), 10).unwrap();
    assert_eq!(state.chunks(1, &key(), ChunkKind::Log).unwrap().len(), 1);
    assert_eq!(state.chunks(1, &key(), ChunkKind::Snapshot).unwrap(), [chunk(10, None)]);
    assert!(state.chunks(2, &key(), ChunkKind::Log).unwrap().is_empty());
}

#[test]
fn a_pack_that_was_open_when_the_agent_died_is_forgotten_and_a_sealed_one_is_resumed() {
    let directory = tempdir().unwrap();
    let state = State::open(directory.path()).unwrap();
    let (full, open) = (
        state.begin_pack(1, Some(KeyId([9; 16]))).unwrap(),
        state.begin_pack(1, None).unwrap(),
    );
    state
        .add_chunk(1, &key(), ChunkKind::Log, &chunk(0, Some(full)))
        .unwrap();
    state
        .add_chunk(1, &key(), ChunkKind::Log, &chunk(10, Some(open)))
        .unwrap();
    state.seal_pack(&sealed(full, 1)).unwrap();
    drop(state);

    let state = State::open(directory.path()).unwrap();
    assert_eq!(state.sealed_packs().unwrap(), [sealed(full, 1)]);
    assert_eq!(state.chunks(1, &key(), ChunkKind::Log).unwrap(), [chunk(0, Some(full))]);
    let name = PackName {
        run: 1,
        epoch: 2,
        sequence: 3,
    };
    state.pack_stored(full, name).unwrap();
    assert_eq!(state.pack_name(full).unwrap(), Some(name));
    assert!(state.sealed_packs().unwrap().is_empty());
}

#[test]
fn numbers_of_packs_are_never_used_twice() {
    let directory = tempdir().unwrap();
    let state = State::open(directory.path()).unwrap();
    let first = state.begin_pack(1, None).unwrap();
    state.drop_pack(first).unwrap();
    assert_ne!(state.begin_pack(1, None).unwrap(), first);
}

#[test]
fn a_run_that_ended_is_forgotten_segments_stay() {
    let directory = tempdir().unwrap();
    let state = State::open(directory.path()).unwrap();
    let (old, new) = (state.begin_pack(1, None).unwrap(), state.begin_pack(2, None).unwrap());
    state
        .add_chunk(1, &key(), ChunkKind::Log, &chunk(0, Some(old)))
        .unwrap();
    state
        .add_chunk(2, &key(), ChunkKind::Log, &chunk(0, Some(new)))
        .unwrap();
    let segment_chunk = SegmentChunk {
        id: ContentId([1; 32]),
        base: 3,
        next: 9,
        last_batch: 1 << 30,
        end: 1 << 31,
        epoch: -1,
        crc: 77,
        length: 12,
        closed: true,
    };
    let segment = SegmentRow {
        base: 3,
        device: u64::MAX,
        inode: 1 << 63,
        birth: 5,
        chunks: vec![segment_chunk; 2],
    };
    state.put_segment(&key(), &segment).unwrap();
    assert_eq!(state.keep_only_run(2).unwrap(), [old]);
    assert!(state.chunks(1, &key(), ChunkKind::Log).unwrap().is_empty());
    assert_eq!(state.chunks(2, &key(), ChunkKind::Log).unwrap().len(), 1);
    assert_eq!(state.segments(&key()).unwrap(), [segment]);
    state.retain_segments(&key(), &[]).unwrap();
    assert!(state.segments(&key()).unwrap().is_empty());
}

#[test]
fn a_damaged_database_is_set_aside_and_the_agent_starts_afresh() {
    let directory = tempdir().unwrap();
    let state = State::open(directory.path()).unwrap();
    for base in 0..200 {
        state.add_chunk(1, &key(), ChunkKind::Log, &chunk(base, None)).unwrap();
    }
    drop(state);
    let path = directory.path().join("agent.db");
    let mut bytes = fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(100) {
        *byte = 0x5a;
    }
    fs::write(&path, bytes).unwrap();
    let state = State::open(directory.path()).unwrap();
    assert!(state.chunks(1, &key(), ChunkKind::Log).unwrap().is_empty());
    assert!(directory.path().join("agent.db.damaged-1").exists());
    state.add_chunk(1, &key(), ChunkKind::Log, &chunk(0, None)).unwrap();
}

#[test]
fn a_second_agent_with_the_same_state_is_refused() {
    let directory = tempdir().unwrap();
    let first = State::open(directory.path()).unwrap();
    first.belong_to("someone").unwrap();
    let error = State::open(directory.path()).expect_err("must be refused");
    assert_eq!(error.code(), "state-in-use");
    assert!(error.to_string().contains("own state_dir"), "{error}");
}

#[test]
fn another_repository_makes_a_fresh_start() {
    let directory = tempdir().unwrap();
    let state = State::open(directory.path()).unwrap();
    state.belong_to("here").unwrap();
    state.add_chunk(1, &key(), ChunkKind::Log, &chunk(0, None)).unwrap();
    state.belong_to("here").unwrap();
    assert_eq!(state.chunks(1, &key(), ChunkKind::Log).unwrap().len(), 1);
    state.belong_to("elsewhere").unwrap();
    assert!(state.chunks(1, &key(), ChunkKind::Log).unwrap().is_empty());
}

#[test]
fn a_keys_wrapped_copy_is_kept_until_it_is_in_the_repository() {
    let directory = tempdir().unwrap();
    let state = State::open(directory.path()).unwrap();
    state.add_key(&[1; 16], b"age").unwrap();
    drop(state);
    let state = State::open(directory.path()).unwrap();
    assert_eq!(
        state.unstored_key(&[1; 16]).unwrap().as_deref(),
        Some(b"age".as_slice())
    );
    state.key_stored(&[1; 16]).unwrap();
    assert_eq!(state.unstored_key(&[1; 16]).unwrap(), None);
}
