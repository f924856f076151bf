use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Committed, Configured, Consistency, Entry, Event, JournalState, RootRef, SnapshotTotals};
use crate::document;
use crate::id::{ContentId, Hash, Nonce};
use crate::name::{PackName, RootName, SnapshotId};

/// Writes entries like a well-behaved writer, whatever the event.
struct Writer {
    state: JournalState,
}

impl Writer {
    fn new() -> Self {
        Self {
            state: JournalState::new(Hash([1; 32])),
        }
    }

    fn entry(&self, epoch: u64, event: Event) -> Entry {
        let n = self.state.next;
        Entry {
            n,
            previous: self.state.head,
            epoch,
            time: Timestamp::UNIX_EPOCH,
            nonce: Nonce([0; 16]),
            writer: "test".to_owned(),
            software: "maxbrod 0".to_owned(),
            event,
            checkpoint: (n != 0 && n.is_multiple_of(64)).then(|| Box::new(self.state.clone())),
        }
    }

    fn write(&mut self, event: Event) -> Result<(), String> {
        let epoch = self.state.epoch + u64::from(matches!(event, Event::Epoch { .. }));
        let entry = self.entry(epoch, event);
        let bytes = entry.encode("entry").unwrap();
        assert_eq!(Entry::decode(&bytes, "entry").unwrap(), entry);
        self.state.apply(&entry, Hash::of(&bytes))
    }

    fn snapshot(&mut self) -> SnapshotId {
        let run = self.state.next;
        let base = self.state.newest().map(|snapshot| snapshot.committed.run);
        self.write(Event::RunOpened { run, base }).unwrap();
        let committed = committed(run, 5);
        let id = committed.snapshot.clone();
        self.write(Event::Committed(Box::new(committed))).unwrap();
        id
    }
}

fn epoch() -> Event {
    Event::Epoch {
        holder: "coordinator".to_owned(),
    }
}

fn committed(run: u64, highest_leader_epoch: i32) -> Committed {
    Committed {
        run,
        snapshot: SnapshotId::new(Timestamp::UNIX_EPOCH, run),
        label: String::new(),
        root: RootRef {
            name: RootName {
                run,
                epoch: 1,
                sequence: 0,
            },
            id: ContentId([2; 32]),
            length: 100,
            key: None,
        },
        consistency: Consistency::CrashConsistent,
        started: Timestamp::UNIX_EPOCH,
        cut: Timestamp::UNIX_EPOCH,
        committed: Timestamp::UNIX_EPOCH,
        freeze_ms: 3,
        totals: SnapshotTotals::default(),
        highest_leader_epoch,
        format: 1,
    }
}

#[test]
fn only_one_run_is_open_and_only_it_is_committed() {
    let mut journal = Writer::new();
    assert!(
        journal.write(Event::RunOpened { run: 0, base: None }).is_err(),
        "nobody holds an epoch"
    );
    journal.write(epoch()).unwrap();
    assert!(
        journal.write(Event::Committed(Box::new(committed(1, 0)))).is_err(),
        "nothing is open"
    );
    assert!(
        journal.write(Event::RunOpened { run: 7, base: None }).is_err(),
        "a run has its entry's number"
    );
    journal.write(Event::RunOpened { run: 1, base: None }).unwrap();
    assert!(
        journal.write(Event::RunOpened { run: 2, base: None }).is_err(),
        "run 1 is open"
    );
    assert!(
        journal.write(Event::Committed(Box::new(committed(2, 0)))).is_err(),
        "another run"
    );
    journal.write(Event::Committed(Box::new(committed(1, 0)))).unwrap();
    assert!(
        journal.write(Event::Committed(Box::new(committed(1, 0)))).is_err(),
        "it is closed"
    );
    assert_eq!(journal.state.snapshots.len(), 1);
}

#[test]
fn a_run_builds_on_the_newest_snapshot_or_on_none() {
    let mut journal = Writer::new();
    journal.write(epoch()).unwrap();
    let first = journal.snapshot();
    let second = journal.snapshot();
    let run = journal.state.next;
    assert!(
        journal
            .write(Event::RunOpened {
                run,
                base: Some(first.run())
            })
            .is_err()
    );
    journal
        .write(Event::RunOpened {
            run,
            base: Some(second.run()),
        })
        .unwrap();
    journal
        .write(Event::RunClosed {
            run,
            reason: "test".to_owned(),
        })
        .unwrap();
    journal
        .write(Event::RunOpened {
            run: run + 2,
            base: None,
        })
        .unwrap();
}

#[test]
fn an_older_epoch_can_write_no_more() {
    let mut journal = Writer::new();
    journal.write(epoch()).unwrap();
    journal.write(epoch()).unwrap();
    let stale = journal.entry(1, Event::RunOpened { run: 2, base: None });
    assert!(
        journal
            .state
            .apply(&stale, Hash([0; 32]))
            .unwrap_err()
            .contains("newest is 2")
    );
    let skipping = journal.entry(4, epoch());
    assert!(journal.state.apply(&skipping, Hash([0; 32])).is_err());
}

#[test]
fn a_held_snapshot_is_not_deleted() {
    let mut journal = Writer::new();
    journal.write(epoch()).unwrap();
    let snapshot = journal.snapshot();
    let reason = || "audit".to_owned();
    let delete = || Event::Deleted {
        snapshot: snapshot.clone(),
        reason: reason(),
    };
    journal
        .write(Event::Held {
            snapshot: snapshot.clone(),
            reason: reason(),
        })
        .unwrap();
    assert!(journal.write(delete()).unwrap_err().contains("held: audit"));
    journal
        .write(Event::Released {
            snapshot: snapshot.clone(),
            reason: reason(),
        })
        .unwrap();
    assert!(
        journal
            .write(Event::Released {
                snapshot: snapshot.clone(),
                reason: reason()
            })
            .is_err()
    );
    journal.write(delete()).unwrap();
    assert!(journal.write(delete()).is_err(), "it is gone");
    assert!(journal.state.snapshot(&snapshot).is_none());
}

#[test]
fn leader_epochs_are_never_forgotten() {
    let mut journal = Writer::new();
    journal.write(epoch()).unwrap();
    let snapshot = journal.snapshot();
    assert_eq!(journal.state.highest_leader_epoch, 5);
    let restored = Event::Restored {
        snapshot: snapshot.clone(),
        highest_leader_epoch: 1005,
        plan: Hash([0; 32]),
        note: String::new(),
    };
    journal.write(restored).unwrap();
    journal
        .write(Event::Deleted {
            snapshot,
            reason: String::new(),
        })
        .unwrap();
    journal.snapshot();
    assert_eq!(journal.state.highest_leader_epoch, 1005);
}

#[test]
fn packs_of_the_open_run_are_not_marked_and_a_mark_is_swept_once() {
    let mut journal = Writer::new();
    journal.write(epoch()).unwrap();
    let snapshot = journal.snapshot();
    let run = journal.state.next;
    journal.write(Event::RunOpened { run, base: None }).unwrap();
    let pack = |run| PackName {
        run,
        epoch: 1,
        sequence: 0,
    };
    assert!(journal.write(Event::Marked { packs: vec![pack(run)] }).is_err());
    assert!(journal.write(Event::Marked { packs: vec![] }).is_err());
    let mark = journal.state.next;
    journal
        .write(Event::Marked {
            packs: vec![pack(snapshot.run())],
        })
        .unwrap();
    assert!(journal.state.is_marked(&pack(snapshot.run())));
    assert!(
        journal
            .write(Event::Marked {
                packs: vec![pack(snapshot.run())]
            })
            .is_err(),
        "twice"
    );
    journal.write(Event::Swept { mark, freed_bytes: 1 }).unwrap();
    assert!(journal.write(Event::Swept { mark, freed_bytes: 1 }).is_err());
}

#[test]
fn settings_are_set_and_taken_away() {
    let mut journal = Writer::new();
    let set = |value: Option<&str>| {
        Event::Configured(Configured {
            settings: BTreeMap::from([("retention.last".to_owned(), value.map(str::to_owned))]),
        })
    };
    journal.write(set(Some("10"))).unwrap();
    assert_eq!(journal.state.settings["retention.last"], "10");
    journal.write(set(None)).unwrap();
    assert!(journal.state.settings.is_empty());
}

#[test]
fn a_false_checkpoint_is_noticed() {
    let mut journal = Writer::new();
    for _ in 0..64 {
        journal.write(epoch()).unwrap();
    }
    let mut missing = journal.entry(65, epoch());
    missing.checkpoint = None;
    assert!(
        journal
            .state
            .apply(&missing, Hash([0; 32]))
            .unwrap_err()
            .contains("lacks")
    );
    let mut false_one = journal.entry(65, epoch());
    false_one.checkpoint.as_mut().unwrap().highest_leader_epoch = 3;
    assert!(
        journal
            .state
            .apply(&false_one, Hash([0; 32]))
            .unwrap_err()
            .contains("checkpoint")
    );
    journal.write(epoch()).unwrap();
}

#[test]
fn an_event_of_a_newer_version_is_named_with_its_writer() {
    let entry = Writer::new().entry(1, epoch());
    let mut value = serde_json::to_value(&entry).unwrap();
    value["event"] = serde_json::json!({"kind": "teleported", "where": "moon"});
    value["software"] = serde_json::json!("maxbrod 9.1.0");
    let error = Entry::decode(&document::encode(&value, "journal/7").unwrap(), "journal/7").unwrap_err();
    assert_eq!(error.code(), "unknown-event");
    for part in ["journal/7", "teleported", "maxbrod 9.1.0"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn the_names_of_the_events_are_part_of_the_format() {
    let event = serde_json::to_value(Event::RunOpened { run: 3, base: Some(1) }).unwrap();
    assert_eq!(event, serde_json::json!({"kind": "run-opened", "run": 3, "base": 1}));
    let event = serde_json::to_value(Event::Committed(Box::new(committed(3, 0)))).unwrap();
    assert_eq!(event["kind"], "committed");
    assert_eq!(event["consistency"], "crash-consistent");
    assert_eq!(event["snapshot"], "19700101T000000Z-3");
    assert_eq!(event["root"]["name"], "3/1-0");
}

proptest! {
    #[test]
    fn garbage_is_no_entry(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Entry::decode(&bytes, "entry").is_err());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
        prop_assert!(Entry::decode(&document::frame(text.into_bytes()), "entry").is_err());
    }

    #[test]
    fn a_changed_byte_is_noticed(place in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = Writer::new().entry(1, epoch()).encode("entry").unwrap().to_vec();
        let at = place.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert_eq!(Entry::decode(&bytes, "entry").unwrap_err().code(), "object-damaged");
    }
}

#[test]
fn an_entry_that_was_forged_breaks_the_chain() {
    let mut journal = Writer::new();
    let genuine = journal.entry(1, epoch());
    journal
        .state
        .apply(&genuine, Hash::of(&genuine.encode("entry").unwrap()))
        .unwrap();
    let next = journal.entry(2, epoch());
    let forged = Entry {
        writer: "mallory".to_owned(),
        ..genuine
    };
    let mut state = JournalState::new(Hash([1; 32]));
    state
        .apply(&forged, Hash::of(&forged.encode("entry").unwrap()))
        .unwrap();
    assert!(state.apply(&next, Hash([0; 32])).is_err());
}
