//! Snapshots: written, read, shared.

use futures::TryStreamExt as _;
use maxbrod_kafka::{Offset, PartitionId};
use maxbrod_repository::{ChunkReader, Identities, Journal, Level, PackReader, Repository, Tree, gc, verify_snapshot};

use crate::backend::{Backend, on_every_store};
use crate::sample::{Keys, PARTITIONS, cluster, content, environment, plain, snapshot, topic};

on_every_store!(
    snapshots_read_back_what_went_in,
    an_encrypted_snapshot_reads_back_with_the_operators_identity
);

/// Reads a whole snapshot and compares.
async fn compare(tree: &Tree, second: bool) {
    let reader = ChunkReader::new(tree.cluster());
    let mut topics = tree.topics();
    let mut found = Vec::new();
    while let Some(entry) = topics.next().await.unwrap() {
        for slot in &entry.partitions {
            let partition = tree.partition(slot).await.unwrap();
            let mut bytes = Vec::new();
            let mut chunks = std::pin::pin!(reader.stream(tree.chunks(&partition), 2));
            while let Some((chunk, body)) = chunks.try_next().await.unwrap() {
                assert_eq!(chunk.logical_length, body.len() as u64);
                bytes.extend_from_slice(&body);
            }
            let number = u8::from_str_radix(&entry.name["topic-".len()..], 16).unwrap();
            let end = partition.record().end.offset().0;
            assert_eq!(bytes, content(number, slot.partition.0, 0, end));
            assert_eq!(partition.logical_bytes(), bytes.len() as u64);
            found.push((number, slot.partition.0, end));
        }
    }
    let expected: Vec<_> = PARTITIONS
        .iter()
        .map(|(t, p, one, two)| (*t, *p, if second { *two } else { *one }))
        .collect();
    assert_eq!(found, expected);
}

async fn snapshots_read_back_what_went_in(backend: Backend) {
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    let first = snapshot(&cluster, &mut journal).await;
    let second = snapshot(&cluster, &mut journal).await;
    assert_eq!(second.base, Some(first.committed.run));
    // As a restore does it: from the store alone.
    let repository = Repository::open(backend.store().await, Identities::none(), environment(9))
        .await
        .unwrap();
    let cluster = crate::sample::cluster(&repository);
    let journal = Journal::load(&cluster).await.unwrap();
    let first = journal.snapshot(first.committed.snapshot.as_str()).unwrap().clone();
    let latest = journal.snapshot("latest").unwrap().clone();
    assert_eq!(latest.committed.highest_leader_epoch, 6);
    assert_eq!(latest.committed.totals.partitions, 5);
    let one = Tree::open(&cluster, &first.committed.root).await.unwrap();
    let two = Tree::open(&cluster, &latest.committed.root).await.unwrap();
    compare(&one, false).await;
    compare(&two, true).await;
    // What did not change is not written again.
    let node = async |tree: &Tree, number, partition| {
        let found = tree.find(topic(number), PartitionId(partition)).await.unwrap().unwrap();
        tree.all_chunks(&found).await.unwrap()
    };
    assert_eq!(node(&one, 1, 0).await, node(&two, 1, 0).await);
    let grown = node(&two, 2, 0).await;
    assert_eq!(grown[..4], node(&one, 2, 0).await[..]);
    assert!(two.root().totals.as_ref().unwrap().shared_nodes >= 3);
    assert_eq!(two.packs_added().await.unwrap().len(), 2, "of topic 2 and of topic 3");
    for pack in two.packs_added().await.unwrap() {
        let reader = PackReader::open(cluster.store(), &cluster.names().pack(pack.name))
            .await
            .unwrap();
        assert_eq!(reader.length(), pack.length);
        reader.check_all().await.unwrap();
    }
    for level in [Level::Structure, Level::Presence, Level::Full] {
        let report = verify_snapshot(&cluster, &latest, level, &|_| {}).await.unwrap();
        assert!(report.findings.is_empty(), "{report:?}");
        assert_eq!((report.counts.topics, report.counts.partitions), (3, 5));
        assert_eq!(report.counts.chunks_opened > 0, level == Level::Full);
    }
    let inventory = gc::gather(&cluster, journal.state()).await.unwrap();
    let plan = gc::plan(&inventory);
    assert_eq!(
        (plan.unreferenced.len(), plan.missing.len(), plan.marked_but_live.len()),
        (0, 0, 0)
    );
    assert_eq!(plan.kept + plan.sparse.len() as u64, inventory.packs.len() as u64);
}

async fn an_encrypted_snapshot_reads_back_with_the_operators_identity(backend: Backend) {
    let keys = Keys::new();
    let repository = Repository::init(backend.store().await, keys.options.clone(), environment(4))
        .await
        .unwrap();
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    snapshot(&cluster, &mut journal).await;
    let second = snapshot(&cluster, &mut journal).await;
    for info in backend.store().await.list("clusters").await.unwrap() {
        let bytes = cluster.store().get(&info.name).await.unwrap();
        let leaks = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(
            !leaks(b"topic-1") && !leaks(b"0100000000"),
            "{} can be read by anyone",
            info.name
        );
    }
    let repository = Repository::open(backend.store().await, keys.identity("operator"), environment(5))
        .await
        .unwrap();
    let cluster = crate::sample::cluster(&repository);
    let tree = Tree::open(&cluster, &second.committed.root).await.unwrap();
    compare(&tree, true).await;
    let report = verify_snapshot(&cluster, &second, Level::Full, &|_| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{report:?}");
    assert_eq!(report.counts.chunks_sealed, 0);
}

#[tokio::test]
async fn neighbouring_chunks_are_read_with_one_request() {
    let backend = Backend::server().await;
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    let snapshot = snapshot(&cluster, &mut journal).await;
    let tree = Tree::open(&cluster, &snapshot.committed.root).await.unwrap();
    let partition = tree.find(topic(1), PartitionId(0)).await.unwrap().unwrap();
    let chunks = tree.all_chunks(&partition).await.unwrap();
    assert_eq!(chunks.len(), 4);
    let Backend::Server(server) = &backend else {
        unreachable!()
    };
    let before = server.requests()["GET"];
    let reader = ChunkReader::new(&cluster);
    let stream = futures::stream::iter(chunks.clone().into_iter().map(Ok));
    let read: Vec<_> = reader.stream(stream, 2).try_collect().await.unwrap();
    assert_eq!(read.len(), 4);
    assert_eq!(server.requests()["GET"] - before, 1);
    assert_eq!(reader.read(&chunks[2]).await.unwrap().as_ref(), content(1, 0, 20, 30));
}

#[tokio::test]
async fn a_snapshot_survives_the_deletion_of_its_base() {
    let backend = Backend::folder();
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    let first = snapshot(&cluster, &mut journal).await;
    let second = snapshot(&cluster, &mut journal).await;
    let snapshot = first.committed.snapshot;
    journal
        .append_until_written(maxbrod_repository::Event::Deleted {
            snapshot,
            reason: "retention".to_owned(),
        })
        .await
        .unwrap();
    assert!(journal.snapshot(second.committed.snapshot.as_str()).is_ok());
    let inventory = gc::gather(&cluster, journal.state()).await.unwrap();
    assert!(gc::plan(&inventory).missing.is_empty());
    assert!(
        gc::plan(&inventory).unreferenced.is_empty(),
        "the second snapshot uses the first one's packs"
    );
    let tree = Tree::open(&cluster, &second.committed.root).await.unwrap();
    compare(&tree, true).await;
    assert_eq!(
        tree.find(topic(1), PartitionId(0))
            .await
            .unwrap()
            .unwrap()
            .record()
            .log_start,
        Offset(0)
    );
    assert!(tree.find(topic(7), PartitionId(0)).await.unwrap().is_none());
    assert!(tree.find(topic(1), PartitionId(5)).await.unwrap().is_none());
    assert_eq!(tree.topic_named("topic-3").await.unwrap().unwrap().partitions.len(), 2);
    assert!(tree.topic_named("topic-9").await.unwrap().is_none());
}
