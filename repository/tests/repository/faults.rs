//! A store that misbehaves.

use std::time::Duration;

use bytes::Bytes;
use maxbrod_repository::testing::{Fault, Lie, Operation, S3TestServer};
use maxbrod_repository::{Appended, Created, Event, Journal, check_store, verify_journal};

use crate::sample::{cluster, environment, plain};

#[tokio::test]
async fn a_lost_reply_to_a_create_is_no_conflict() {
    let server = S3TestServer::start().await.unwrap();
    let store = server.store("p").await.unwrap();
    for fault in [
        Fault::LoseReply,
        Fault::DoneBut(500),
        Fault::DoneBut(503),
        Fault::DoneBut(409),
    ] {
        let name = format!("object/{fault:?}").replace(['(', ')'], "-");
        server.inject(Operation::Put, &name, 1, fault);
        let body = Bytes::from_static(b"body");
        assert_eq!(
            store.create(&name, body.clone()).await.unwrap(),
            Created::Stored,
            "{fault:?}"
        );
        assert_eq!(store.get(&name).await.unwrap(), body);
    }
}

#[tokio::test]
async fn a_create_that_was_not_done_is_done_again() {
    let server = S3TestServer::start().await.unwrap();
    let store = server.store("p").await.unwrap();
    // 409: another create of the name was under way, and failed.
    for (number, code) in [409, 500, 503].into_iter().enumerate() {
        let name = format!("object/{number}");
        server.inject(Operation::Put, &name, 2, Fault::Refuse(code));
        assert_eq!(
            store.create(&name, Bytes::from_static(b"body")).await.unwrap(),
            Created::Stored,
            "{code}"
        );
    }
}

#[tokio::test]
async fn a_create_of_which_nothing_is_known_is_said_to_be_uncertain() {
    let server = S3TestServer::start().await.unwrap();
    let store = server.store("p").await.unwrap();
    server.inject(Operation::Put, "object", 100, Fault::Refuse(409));
    let error = store.create("object", Bytes::from_static(b"body")).await.unwrap_err();
    assert_eq!(error.code(), "store-uncertain");
    assert!(server.keys().is_empty());
}

#[tokio::test]
async fn a_journal_entry_whose_reply_was_lost_is_recognised_as_ones_own() {
    let server = S3TestServer::start().await.unwrap();
    let repository = plain(server.store("p").await.unwrap()).await;
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    server.inject(Operation::Put, "journal", 1, Fault::LoseReply);
    assert_eq!(
        journal.take_epoch("one").await.unwrap(),
        1,
        "not 2: the entry is there once"
    );
    server.inject(Operation::Put, "journal", 1, Fault::DoneBut(500));
    let run = journal.state().next;
    assert!(matches!(
        journal.append(Event::RunOpened { run, base: None }).await.unwrap(),
        Appended::Written(_)
    ));
    let report = verify_journal(&cluster).await.unwrap();
    assert_eq!((report.entries, report.findings.len()), (2, 0));
}

#[tokio::test]
async fn a_liar_is_refused() {
    let server = S3TestServer::start().await.unwrap();
    let store = server.store("p").await.unwrap();
    for lie in [Lie::Overwrite, Lie::TwoWinners, Lie::AnyContent] {
        server.lie(Some(lie));
        let error = check_store(&store, &environment(lie as u64)).await.unwrap_err();
        assert_eq!(error.code(), "dishonest-store", "{lie:?}");
        assert!(error.remedy().contains("use another store"), "{error}");
    }
    server.lie(None);
    check_store(&store, &environment(7)).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_not_taken_for_the_object() {
    let server = S3TestServer::start().await.unwrap();
    let store = server.store("p").await.unwrap();
    store.create_new("object", Bytes::from(vec![7; 10_000])).await.unwrap();
    server.inject(Operation::Get, "object", 1, Fault::Truncate(100));
    assert!(store.get_range("object", 0..5000).await.is_err());
    assert_eq!(store.get_range("object", 0..5000).await.unwrap().len(), 5000);
}

#[tokio::test]
async fn a_slow_store_is_waited_for() {
    let server = S3TestServer::start().await.unwrap();
    let store = server.store("p").await.unwrap();
    server.inject(Operation::Any, "object", 2, Fault::Delay(Duration::from_millis(100)));
    store.create_new("object", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(store.get("object").await.unwrap().as_ref(), b"x");
}

#[tokio::test]
async fn a_read_is_tried_again_when_the_store_is_busy() {
    let server = S3TestServer::start().await.unwrap();
    let store = server.store("p").await.unwrap();
    store.create_new("object", Bytes::from_static(b"x")).await.unwrap();
    server.inject(Operation::Get, "object", 2, Fault::Refuse(503));
    assert_eq!(store.get("object").await.unwrap().as_ref(), b"x");
}
