//! Large trees: what changes is written, what does not is shared.

use jiff::Timestamp;
use maxbrod_kafka::{LeaderEpoch, Offset, PartitionId, TopicId, Uuid};
use maxbrod_repository::{
    ChunkRef, Cluster, ContentId, Inherited, Journal, PackName, SnapshotId, Tree, TreeWriter, WrittenTree,
};

use crate::backend::Backend;
use crate::sample::{cluster, open_run, plain, record, root_record, topic};

/// Chunks of ten offsets each, their ids made up.
fn chunks(from: i64, to: i64) -> Vec<ChunkRef> {
    (from / 10..to / 10)
        .map(|number| ChunkRef {
            id: ContentId(*blake3_like(number)),
            base_offset: Offset(number * 10),
            next_offset: Offset(number * 10 + 10),
            leader_epoch: LeaderEpoch(1),
            pack: PackName {
                run: 1,
                epoch: 1,
                sequence: number as u64 / 10,
            },
            position: (number as u64 % 10) * 1000,
            length: 1000,
            key: None,
            logical_length: 5000,
            closed: true,
        })
        .collect()
}

/// Well-distributed bytes of a number.
fn blake3_like(number: i64) -> Box<[u8; 32]> {
    Box::new(maxbrod_repository::Hash::of(&number.to_be_bytes()).0)
}

/// A tree of one partition: the base's chunks between two offsets and these.
async fn write(
    cluster: &Cluster,
    run: u64,
    base: Option<&Tree>,
    (from, to): (i64, i64),
    new: Vec<ChunkRef>,
    end: i64,
) -> WrittenTree {
    let mut writer = TreeWriter::new(cluster, run, 1, None, base).await.unwrap();
    writer.topic(topic(1), "large").await.unwrap();
    let found = match base {
        Some(base) => base.find(topic(1), PartitionId(0)).await.unwrap(),
        None => None,
    };
    let inherited = found.as_ref().map(|partition| Inherited {
        partition,
        from: Offset(from),
        to: Offset(to),
    });
    writer
        .partition(&record(1, 0, from, end), inherited, new)
        .await
        .unwrap();
    let id = SnapshotId::new(Timestamp::UNIX_EPOCH, run);
    writer.finish(root_record(id), &[]).await.unwrap()
}

async fn read(cluster: &Cluster, written: &WrittenTree) -> (Tree, Vec<ChunkRef>) {
    let tree = Tree::open(cluster, &written.root).await.unwrap();
    let partition = tree.find(topic(1), PartitionId(0)).await.unwrap().unwrap();
    let chunks = tree.all_chunks(&partition).await.unwrap();
    (tree, chunks)
}

#[tokio::test]
async fn a_growing_and_a_shrinking_log_share_their_leaves() {
    let backend = Backend::folder();
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    let run = open_run(&mut journal).await;
    let first = write(&cluster, run, None, (0, 0), chunks(0, 50_000), 50_000).await;
    let (base, held) = read(&cluster, &first).await;
    assert_eq!(held, chunks(0, 50_000));
    let written = base.root().totals.unwrap();
    assert!(written.new_nodes > 20, "{written:?}");

    // It grows by a little.
    let second = write(&cluster, run, Some(&base), (0, 50_000), chunks(50_000, 50_100), 50_100).await;
    let (grown, held) = read(&cluster, &second).await;
    assert_eq!(held, chunks(0, 50_100));
    let totals = grown.root().totals.unwrap();
    assert!(totals.new_nodes <= 3, "partition, topics, perhaps a leaf: {totals:?}");
    assert!(
        totals.new_bytes * 10 < written.new_bytes,
        "{totals:?} against {written:?}"
    );

    // Retention takes its beginning away, in the middle of a leaf and of a chunk.
    let third = write(&cluster, run, Some(&grown), (12_345, 50_100), Vec::new(), 50_100).await;
    let (shrunk, held) = read(&cluster, &third).await;
    assert_eq!(held, chunks(12_340, 50_100));
    let totals = shrunk.root().totals.unwrap();
    assert!(totals.new_nodes <= 3 && totals.shared_nodes > 10, "{totals:?}");

    // The same chunks given one by one, as after a rescan: nothing but the root is written.
    let mut writer = TreeWriter::new(&cluster, run, 1, None, Some(&shrunk)).await.unwrap();
    writer.topic(topic(1), "large").await.unwrap();
    writer
        .partition(&record(1, 0, 12_345, 50_100), None, chunks(12_340, 50_100))
        .await
        .unwrap();
    let fourth = writer
        .finish(root_record(SnapshotId::new(Timestamp::UNIX_EPOCH, run)), &[])
        .await
        .unwrap();
    let (same, _) = read(&cluster, &fourth).await;
    assert_eq!(same.root().totals.unwrap().new_nodes, 0);
    assert_eq!(same.root().totals.unwrap().new_bytes, 0);
}

#[tokio::test]
async fn thousands_of_topics_are_walked_and_found_and_one_more_changes_little() {
    let backend = Backend::server().await;
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    let run = open_run(&mut journal).await;
    let id = |number: u32| {
        let hash = maxbrod_repository::Hash::of(&number.to_be_bytes()).0;
        TopicId(Uuid(hash[..16].try_into().unwrap()))
    };
    let mut ids: Vec<_> = (0..2000).map(|number| (id(number), number)).collect();
    ids.sort();
    let write = async |ids: &[(TopicId, u32)], base: Option<&Tree>| {
        let mut writer = TreeWriter::new(&cluster, run, 1, None, base).await.unwrap();
        for (id, number) in ids {
            writer.topic(*id, &format!("topic-{number}")).await.unwrap();
            let partitions = if *number == 7 { 5000 } else { 1 };
            for partition in 0..partitions {
                let record = maxbrod_repository::PartitionRecord {
                    topic_id: *id,
                    ..record(1, partition, 0, 0)
                };
                writer.partition(&record, None, Vec::new()).await.unwrap();
            }
        }
        let written = writer
            .finish(root_record(SnapshotId::new(Timestamp::UNIX_EPOCH, run)), &[])
            .await
            .unwrap();
        Tree::open(&cluster, &written.root).await.unwrap()
    };
    let tree = write(&ids, None).await;
    let mut topics = tree.topics();
    let mut walked = Vec::new();
    while let Some(topic) = topics.next().await.unwrap() {
        assert_eq!(topic.partitions.len(), if topic.name == "topic-7" { 5000 } else { 1 });
        walked.push(topic.id);
    }
    assert_eq!(walked, ids.iter().map(|(id, _)| *id).collect::<Vec<_>>());
    assert!(tree.root().topics.len() > 10);
    let found = tree.find(id(7), PartitionId(4999)).await.unwrap().unwrap();
    assert_eq!(found.record().partition, PartitionId(4999));

    let Backend::Server(server) = &backend else {
        unreachable!()
    };
    let before = server.requests()["GET"];
    ids.push((id(100_000), 100_000));
    ids.sort();
    let next = write(&ids, Some(&tree)).await;
    let totals = next.root().totals.unwrap();
    assert!(totals.new_nodes <= 3, "{totals:?}");
    assert_eq!(totals.partitions, 2000 + 4999 + 1);
    let requests = server.requests()["GET"] - before;
    assert!(
        requests < 60,
        "7,000 nodes of the base were looked at with {requests} requests"
    );
}

#[tokio::test]
async fn chunks_out_of_order_are_not_written() {
    let backend = Backend::folder();
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut writer = TreeWriter::new(&cluster, 1, 1, None, None).await.unwrap();
    writer.topic(topic(2), "a").await.unwrap();
    let mut wrong = chunks(0, 30);
    wrong.swap(1, 2);
    assert_eq!(
        writer
            .partition(&record(2, 0, 0, 30), None, wrong)
            .await
            .unwrap_err()
            .code(),
        "unwritable"
    );
    assert!(writer.topic(topic(1), "b").await.is_err(), "topics ascend");
    assert!(
        writer.partition(&record(3, 0, 0, 0), None, Vec::new()).await.is_err(),
        "its topic was not begun"
    );
}
