use std::fs;
use std::sync::Arc;

use maxbrod_kafka::PartitionId;
use maxbrod_proto::agent::RetentionClass;
use maxbrod_repository::{ContentId, PackName};
use tempfile::{TempDir, tempdir};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Label, PackError, Packer};
use crate::disk::topic_id;
use crate::partition::PartitionKey;
use crate::state::{ChunkKind, ChunkRow, Place, SealedPack, State};

struct Spool {
    runtime: Runtime,
    directory: TempDir,
}

impl Spool {
    fn new() -> Self {
        Self {
            runtime: Builder::new_multi_thread().worker_threads(1).build().unwrap(),
            directory: tempdir().unwrap(),
        }
    }

    fn open(&self) -> (Arc<Packer>, UnboundedReceiver<SealedPack>) {
        let state = Arc::new(State::open(self.directory.path()).unwrap());
        let (packer, sealed) = Packer::new(self.directory.path(), state, self.runtime.handle().clone()).unwrap();
        (Arc::new(packer), sealed)
    }

    fn files(&self) -> usize {
        fs::read_dir(self.directory.path().join("spool")).unwrap().count()
    }
}

fn key() -> PartitionKey {
    PartitionKey {
        topic_id: topic_id("topic"),
        partition: PartitionId(0),
    }
}

fn add(packer: &Packer, run: u64, class: RetentionClass, base: i64, sealed: &[u8]) -> ChunkRow {
    let mut row = ChunkRow {
        id: ContentId([base as u8; 32]),
        base,
        next: base + 1,
        epoch: 0,
        crc: 0,
        length: 5,
        closed: true,
        epochs: Vec::new(),
        place: Place::Base,
    };
    let label = Label {
        run,
        class,
        partition: key(),
        kind: ChunkKind::Log,
    };
    packer.add(&label, None, sealed, &mut row).unwrap();
    row
}

fn position(row: &ChunkRow) -> (i64, u64, u64) {
    let Place::Pack {
        pack, position, length, ..
    } = row.place
    else {
        panic!("it is in no pack")
    };
    (pack.0, position, length)
}

#[test]
fn chunks_of_one_class_share_a_pack() {
    let spool = Spool::new();
    let (packer, mut sealed) = spool.open();
    let first = position(&add(&packer, 1, RetentionClass::Day, 0, b"one"));
    let second = position(&add(&packer, 1, RetentionClass::Day, 1, b"three"));
    let other = position(&add(&packer, 1, RetentionClass::Long, 2, b"other"));
    assert_eq!((second.0, second.1, second.2), (first.0, 3, 5));
    assert_ne!(other.0, first.0);
    assert!(
        sealed.try_recv().is_err(),
        "nothing is sealed before it is full or asked for"
    );
    packer.flush().unwrap();
    let packs: Vec<SealedPack> = std::iter::from_fn(|| sealed.try_recv().ok()).collect();
    assert_eq!(packs.len(), 2);
    for pack in packs {
        assert_eq!(fs::metadata(packer.path(pack.id)).unwrap().len(), pack.length);
    }
}

#[test]
fn a_full_pack_is_sealed_before_the_next_chunk() {
    let spool = Spool::new();
    let (packer, mut sealed) = spool.open();
    let chunk = vec![0; 9 << 20];
    for base in 0..8 {
        add(&packer, 1, RetentionClass::Day, base, &chunk);
    }
    let pack = sealed.try_recv().unwrap();
    assert!(pack.length <= 64 << 20 && pack.length > 60 << 20, "{}", pack.length);
}

#[test]
fn too_many_waiting_packs_hold_up_whoever_fills_more_and_stopping_frees_him() {
    let spool = Spool::new();
    let (packer, _sealed) = spool.open();
    let filling = Arc::clone(&packer);
    let thread = std::thread::spawn(move || {
        for base in 0..100 {
            add(&filling, 1, RetentionClass::Day, base, b"x");
            if let Err(error) = filling.flush() {
                return (base, error);
            }
        }
        panic!("nothing held it up");
    });
    while spool.files() < 5 {
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(!thread.is_finished());
    packer.stop();
    let (filled, error) = thread.join().unwrap();
    assert_eq!(filled, 4);
    assert!(matches!(error, PackError::Stopping));
}

#[test]
fn who_waits_for_a_pack_learns_its_name_or_that_it_is_lost() {
    let spool = Spool::new();
    let (packer, mut sealed) = spool.open();
    add(&packer, 1, RetentionClass::Day, 0, b"one");
    packer.flush().unwrap();
    let first = sealed.try_recv().unwrap();
    add(&packer, 1, RetentionClass::Day, 1, b"two");
    packer.flush().unwrap();
    let second = sealed.try_recv().unwrap();
    let wait = |id| {
        let packer = Arc::clone(&packer);
        spool.runtime.spawn(async move { packer.stored(id).await })
    };
    let (waiting, losing) = (wait(first.id), wait(second.id));
    let waits = |id| packer.fates().get(&id).is_some_and(|fate| fate.receiver_count() > 0);
    while !waits(first.id) || !waits(second.id) {
        std::thread::yield_now();
    }
    let name = PackName {
        run: 1,
        epoch: 2,
        sequence: 3,
    };
    packer.arrived(&first, name).unwrap();
    packer.lose(second.id, "damaged".to_owned());
    assert_eq!(spool.runtime.block_on(waiting).unwrap().unwrap(), name);
    let error = spool.runtime.block_on(losing).unwrap().unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    // The same for who comes later.
    assert_eq!(spool.runtime.block_on(packer.stored(first.id)).unwrap(), name);
    assert_eq!(spool.files(), 0);
    assert_eq!(
        packer.state.chunks(1, &key(), ChunkKind::Log).unwrap().len(),
        1,
        "a lost pack's chunks are forgotten"
    );
}

#[test]
fn after_a_crash_complete_packs_are_uploaded_and_others_swept() {
    let spool = Spool::new();
    {
        let (packer, _sealed) = spool.open();
        add(&packer, 1, RetentionClass::Day, 0, b"complete");
        packer.flush().unwrap();
        add(&packer, 1, RetentionClass::Day, 1, b"open");
        fs::write(packer.spool.join("junk"), "").unwrap();
        assert_eq!(spool.files(), 3);
    }
    let (packer, mut sealed) = spool.open();
    assert_eq!(spool.files(), 1);
    assert!(sealed.try_recv().is_ok() && sealed.try_recv().is_err());
    assert_eq!(packer.state.chunks(1, &key(), ChunkKind::Log).unwrap().len(), 1);
}

#[test]
fn a_run_that_is_over_leaves_nothing_in_the_spool() {
    let spool = Spool::new();
    let (packer, mut sealed) = spool.open();
    let row = add(&packer, 1, RetentionClass::Day, 0, b"sealed");
    packer.flush().unwrap();
    add(&packer, 1, RetentionClass::Day, 1, b"open");
    packer.keep_only_run(2).unwrap();
    assert_eq!(spool.files(), 0);
    let Place::Pack { pack, .. } = row.place else {
        panic!("it is in no pack")
    };
    assert!(spool.runtime.block_on(packer.stored(pack)).is_err());
    assert!(
        sealed.try_recv().is_ok(),
        "the upload finds out by itself that nobody wants it"
    );
}
