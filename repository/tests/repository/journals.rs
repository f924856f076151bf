//! Journals in stores.

use maxbrod_kafka::ClusterId;
use maxbrod_repository::testing::rewrite;
use maxbrod_repository::{Appended, ErrorKind, Event, Hash, Identities, Journal, Repository, verify_journal};

use crate::backend::{Backend, on_every_store};
use crate::sample::{cluster, environment, open_run, plain};

on_every_store!(
    entries_are_found_again_across_checkpoints,
    two_writers_never_take_one_number,
    a_new_coordinator_fences_the_old_one_off,
    a_missing_entry_is_named,
    a_changed_entry_is_named,
);

fn note(text: &str) -> Event {
    let highest_leader_epoch = 0;
    let snapshot = "20250101T000000Z-1".parse().unwrap();
    Event::Restored {
        snapshot,
        highest_leader_epoch,
        plan: Hash([0; 32]),
        note: text.to_owned(),
    }
}

async fn entries_are_found_again_across_checkpoints(backend: Backend) {
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    assert_eq!(journal.state().next, 0);
    for round in 0..70 {
        let run = open_run(&mut journal).await;
        let event = Event::RunClosed {
            run,
            reason: format!("round {round}"),
        };
        assert!(matches!(journal.append(event).await.unwrap(), Appended::Written(_)));
    }
    let loaded = Journal::load(&cluster).await.unwrap();
    assert_eq!(loaded.state(), journal.state());
    assert_eq!(loaded.state().next, 141);
    let entries = loaded.entries().await.unwrap();
    let checkpoints: Vec<_> = entries
        .iter()
        .filter(|entry| entry.checkpoint.is_some())
        .map(|entry| entry.n)
        .collect();
    assert_eq!(checkpoints, [64, 128]);
    let report = verify_journal(&cluster).await.unwrap();
    assert_eq!((report.entries, report.findings.len()), (141, 0));
    assert_eq!(&report.state, journal.state());
    assert_eq!(repository.clusters().await.unwrap(), [cluster.id().clone()]);
}

async fn two_writers_never_take_one_number(backend: Backend) {
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let writers = (0..4).map(|writer| {
        let cluster = cluster.clone();
        tokio::spawn(async move {
            let mut journal = Journal::load(&cluster).await.unwrap();
            for round in 0..5 {
                journal
                    .append_until_written(note(&format!("{writer}/{round}")))
                    .await
                    .unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let report = verify_journal(&cluster).await.unwrap();
    assert_eq!((report.entries, report.findings.len()), (20, 0));
}

async fn a_new_coordinator_fences_the_old_one_off(backend: Backend) {
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut old = Journal::load(&cluster).await.unwrap();
    let run = open_run(&mut old).await;
    let mut new = Journal::load(&cluster).await.unwrap();
    assert_eq!(new.take_epoch("the new one").await.unwrap(), 2);
    // The old one has not noticed yet.
    let close = Event::RunClosed {
        run,
        reason: "late".to_owned(),
    };
    assert_eq!(old.append(close.clone()).await.unwrap(), Appended::Lost);
    let error = old.append(close.clone()).await.unwrap_err();
    assert_eq!(error.code(), "fenced");
    assert!(error.to_string().contains("the new one"), "{error}");
    assert_eq!(old.check_epoch().await.unwrap_err().code(), "fenced");
    new.check_epoch().await.unwrap();
    assert_eq!(new.state().open_run.unwrap().run, run, "the open run is adopted");
    assert!(matches!(new.append(close).await.unwrap(), Appended::Written(_)));
}

async fn a_missing_entry_is_named(backend: Backend) {
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    for round in 0..5 {
        journal.append_until_written(note(&format!("{round}"))).await.unwrap();
    }
    let name = cluster.names().entry(2);
    backend.remove(&name);
    let error = Journal::load(&cluster).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().contains(&name), "{error}");
    let report = verify_journal(&cluster).await.unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!((report.findings[0].n, report.entries), (2, 4));
}

async fn a_changed_entry_is_named(backend: Backend) {
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    for round in 0..5 {
        journal
            .append_until_written(note(&format!("round {round}")))
            .await
            .unwrap();
    }
    // A change that leaves an entry well-formed: the next one does not follow it.
    let name = cluster.names().entry(2);
    backend.change(&name, |bytes| rewrite(bytes, |json| json.replace("round 2", "round X")));
    let error = Journal::load(&cluster).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(error.to_string().contains(&cluster.names().entry(3)), "{error}");
    let report = verify_journal(&cluster).await.unwrap();
    assert_eq!(report.findings.iter().map(|finding| finding.n).collect::<Vec<_>>(), [3]);
    assert_eq!(report.kind(), Some(ErrorKind::Integrity));
    // And one that does not.
    backend.change(&name, |bytes| bytes.truncate(20));
    let error = Journal::load(&cluster).await.unwrap_err();
    assert!(error.to_string().contains(&name), "{error}");
}

#[tokio::test]
async fn a_journal_of_another_cluster_does_not_fit() {
    let backend = Backend::folder();
    let repository = plain(backend.store().await).await;
    let mine = cluster(&repository);
    let mut journal = Journal::load(&mine).await.unwrap();
    for round in 0..66 {
        journal.append_until_written(note(&format!("{round}"))).await.unwrap();
    }
    let other = repository.cluster(&ClusterId("other".to_owned())).unwrap();
    for n in 0..66 {
        let bytes = mine.store().get(&mine.names().entry(n)).await.unwrap();
        mine.store().create_new(&other.names().entry(n), bytes).await.unwrap();
    }
    let error = Journal::load(&other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(error.to_string().contains("another cluster"), "{error}");
}

#[tokio::test]
async fn an_event_of_a_newer_version_stops_the_reader() {
    let backend = Backend::folder();
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    journal.append_until_written(note("x")).await.unwrap();
    let entry = cluster.names().entry(0);
    backend.change(&entry, |bytes| {
        rewrite(bytes, |json| {
            json.replace("\"restored\"", "\"teleported\"")
                .replace("maxbrod 0", "maxbrod 9")
        });
    });
    let error = Journal::load(&cluster).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("unknown-event", ErrorKind::Failed));
    assert!(
        error.to_string().contains("teleported") && error.to_string().contains("maxbrod 9"),
        "{error}"
    );
}

#[tokio::test]
async fn a_repository_opens_again_as_what_it_is() {
    let backend = Backend::folder();
    let made = plain(backend.store().await).await;
    let opened = Repository::open(backend.store().await, Identities::none(), environment(2))
        .await
        .unwrap();
    assert_eq!(opened.id(), made.id());
    assert_eq!(opened.id_key().unwrap().as_bytes(), made.id_key().unwrap().as_bytes());
}
