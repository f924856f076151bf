//! Who can read what.

use maxbrod_kafka::PartitionId;
use maxbrod_repository::testing::rewrite;
use maxbrod_repository::{
    ChunkReader, ErrorKind, Identities, InitOptions, Journal, Level, Repository, Tree, verify_snapshot,
};

use crate::backend::Backend;
use crate::sample::{Keys, cluster, environment, plain, snapshot, topic};

async fn encrypted() -> (Backend, Keys, maxbrod_repository::Snapshot) {
    let backend = Backend::folder();
    let keys = Keys::new();
    let repository = Repository::init(backend.store().await, keys.options.clone(), environment(4))
        .await
        .unwrap();
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    let snapshot = snapshot(&cluster, &mut journal).await;
    (backend, keys, snapshot)
}

#[tokio::test]
async fn the_coordinator_reads_manifests_and_never_data() {
    let (backend, keys, snapshot) = encrypted().await;
    let repository = Repository::open(backend.store().await, keys.identity("coordinator"), environment(5))
        .await
        .unwrap();
    let cluster = cluster(&repository);
    let tree = Tree::open(&cluster, &snapshot.committed.root).await.unwrap();
    let partition = tree.find(topic(1), PartitionId(0)).await.unwrap().unwrap();
    let chunk = tree.all_chunks(&partition).await.unwrap()[0];
    let error = ChunkReader::new(&cluster).read(&chunk).await.unwrap_err();
    assert_eq!(error.code(), "wrong-identity");
    let operator = keys.identity("operator").recipients()[0].to_string();
    assert!(error.to_string().contains(&operator), "{error}");
    assert!(error.to_string().contains(&chunk.key.unwrap().to_string()), "{error}");
    // But it can check that every byte is there.
    let report = verify_snapshot(&cluster, &snapshot, Level::Full, &|_| {})
        .await
        .unwrap();
    assert!(report.findings.is_empty());
    assert_eq!(report.counts.chunks_opened, 0);
    assert!(report.counts.chunks_sealed > 0);
}

#[tokio::test]
async fn a_stranger_is_told_for_whom_it_is_encrypted() {
    let (backend, keys, _) = encrypted().await;
    let error = Repository::open(backend.store().await, keys.identity("stranger"), environment(5))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "wrong-identity");
    for who in ["operator", "coordinator"] {
        assert!(
            error
                .to_string()
                .contains(&keys.identity(who).recipients()[0].to_string()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn without_an_identity_the_journal_can_be_read_and_nothing_else() {
    let (backend, _, snapshot) = encrypted().await;
    let repository = Repository::open(backend.store().await, Identities::none(), environment(5))
        .await
        .unwrap();
    let cluster = cluster(&repository);
    let journal = Journal::load(&cluster).await.unwrap();
    assert_eq!(
        journal.snapshot("latest").unwrap().committed.snapshot,
        snapshot.committed.snapshot
    );
    let error = Tree::open(&cluster, &snapshot.committed.root).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("identity-needed", ErrorKind::Usage));
    assert!(error.remedy().contains("--identity"), "{error}");
}

#[tokio::test]
async fn a_lost_key_is_a_missing_object() {
    let (backend, keys, snapshot) = encrypted().await;
    let key = snapshot.committed.root.key.unwrap();
    backend.remove(&format!("keys/{key}/0"));
    let repository = Repository::open(backend.store().await, keys.identity("operator"), environment(5))
        .await
        .unwrap();
    let error = Tree::open(&cluster(&repository), &snapshot.committed.root)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().contains(&key.to_string()), "{error}");
}

#[tokio::test]
async fn a_repository_is_made_once_and_where_there_is_none_it_is_said() {
    let backend = Backend::folder();
    let error = Repository::open(backend.store().await, Identities::none(), environment(1))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "no-repository");
    let made = plain(backend.store().await).await;
    let again = Repository::init(backend.store().await, InitOptions::NotEncrypted, environment(2))
        .await
        .unwrap_err();
    assert_eq!(again.code(), "repository-exists");
    assert!(again.to_string().contains(&made.id().to_string()), "{again}");
    let nobody = InitOptions::Encrypted {
        recipients: Vec::new(),
        coordinator_recipients: Vec::new(),
    };
    let other = Backend::folder();
    assert!(
        Repository::init(other.store().await, nobody, environment(2))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_newer_repository_is_refused() {
    let backend = Backend::folder();
    plain(backend.store().await).await;
    backend.change("config", |bytes| {
        rewrite(bytes, |json| {
            json.replace("\"format_version\":1", "\"format_version\":2")
        });
    });
    let error = Repository::open(backend.store().await, Identities::none(), environment(1))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "newer-format");
    assert!(error.remedy().contains("newer maxbrod"), "{error}");
}
