//! Whole snapshots over the real contract and a real repository on disk; only the agents' disks are made up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test"
)]

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maxbrod_kafka::metadata::{Checkpoint, Position};
use maxbrod_kafka::{Offset, PartitionId};
use maxbrod_proto::operator::ClusterStatusRequest;
use maxbrod_repository::{
    Cluster, ContentId, End, Expected, Identities, InitOptions, Journal, Role, open as open_blob,
};
use support::{CLUSTER, Disks, FakeAgent, Metadata, Running, Shared, batch, config, init, open, start, topic_id, tree};

const ORDERS: u8 = 1;
const STATE: u8 = 2;

/// Three nodes; `orders` of two partitions, one of them empty, and a compacted topic.
fn disks() -> Shared {
    let mut metadata = Metadata::of_cluster(&[1, 2, 3]);
    metadata.create_topic(ORDERS, "orders", &[&[1, 2, 3], &[2, 3]]);
    metadata.create_topic(STATE, "__transaction_state", &[&[3, 1]]);
    let mut disks = Disks {
        metadata: metadata.batches,
        ..Disks::default()
    };
    let orders: Vec<_> = (0..5).map(|i| batch(i * 10, 0, 10, "orders")).collect();
    for node in [1, 2, 3] {
        disks.logs.insert((node, topic_id(ORDERS), 0), orders.clone());
    }
    for node in [2, 3] {
        disks.logs.insert((node, topic_id(ORDERS), 1), Vec::new());
    }
    for node in [3, 1] {
        disks.logs.insert(
            (node, topic_id(STATE), 0),
            vec![batch(0, 0, 3, "state"), batch(3, 1, 3, "state")],
        );
    }
    Arc::new(Mutex::new(disks))
}

fn append(disks: &Shared, node: i32, topic: u8, partition: i32, bytes: bytes::Bytes) {
    disks
        .lock()
        .unwrap()
        .logs
        .get_mut(&(node, topic_id(topic), partition))
        .unwrap()
        .push(bytes);
}

async fn agents(running: &Running, disks: &Shared) -> Vec<FakeAgent> {
    let mut agents = Vec::new();
    for node in [1, 2, 3] {
        let hello = FakeAgent::hello(node, node as u8);
        agents.push(
            FakeAgent::connect(running.grpc, hello, Arc::clone(disks))
                .await
                .unwrap(),
        );
    }
    agents
}

struct House {
    repository: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let house = Self {
            repository: tempfile::tempdir().unwrap(),
            state: tempfile::tempdir().unwrap(),
        };
        init(house.repository.path(), InitOptions::NotEncrypted).await;
        house
    }

    fn path(&self) -> &Path {
        self.repository.path()
    }

    async fn start(&self) -> Running {
        start(config(self.path(), self.state.path())).await
    }
}

/// The log of a partition, as a restore would put it together.
async fn restored(cluster: &Cluster, snapshot: &str, topic: u8, partition: i32) -> Vec<u8> {
    let tree = tree(cluster, snapshot).await;
    let found = tree
        .find(topic_id(topic), PartitionId(partition))
        .await
        .unwrap()
        .expect("the partition is in it");
    let mut log = Vec::new();
    for chunk in tree.all_chunks(&found).await.unwrap() {
        log.extend(blob(cluster, chunk.id, &chunk).await);
    }
    log
}

async fn blob(cluster: &Cluster, id: ContentId, chunk: &maxbrod_repository::ChunkRef) -> Vec<u8> {
    let object = cluster.names().pack(chunk.pack);
    let sealed = cluster
        .store()
        .get_range(&object, chunk.position..chunk.position + chunk.length)
        .await
        .unwrap();
    let expected = Expected {
        role: Role::Chunk,
        id,
        limit: 1 << 20,
        object: &object,
    };
    let key = match chunk.key {
        Some(key) => Some(cluster.repository().keys().get(key).await.unwrap()),
        None => None,
    };
    open_blob(expected, &sealed, cluster.repository().id_key().unwrap(), key.as_ref()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_taken_committed_and_read_back() {
    let house = House::new().await;
    let running = house.start().await;
    let disks = disks();
    let agents = agents(&running, &disks).await;

    let (outcome, stages) = running.snapshot().await;
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.gaps, []);
    assert_eq!(outcome.consistency, "transactional");
    assert_eq!(outcome.partitions, 3);
    assert!(outcome.new_bytes > 0 && outcome.read_bytes > 0 && outcome.logical_bytes >= outcome.read_bytes);
    for stage in [
        "seeding",
        "phase-m",
        "phase-q",
        "phase-p",
        "shipping",
        "committing",
        "done",
    ] {
        assert!(stages.iter().any(|told| told == stage), "{stage} in {stages:?}");
    }

    let cluster = open(house.path(), Identities::none()).await;
    let expected: Vec<u8> = disks.lock().unwrap().logs[&(1, topic_id(ORDERS), 0)].concat();
    assert_eq!(restored(&cluster, &outcome.id, ORDERS, 0).await, expected);
    let tree = tree(&cluster, "latest").await;
    let orders = tree.topic_named("orders").await.unwrap().expect("in it");
    assert_eq!(orders.partitions.len(), 2);
    let empty = tree
        .find(topic_id(ORDERS), PartitionId(1))
        .await
        .unwrap()
        .expect("an empty partition is in it, too");
    assert_eq!(empty.record().end, End::Empty(Offset(0)));
    assert!(empty.record().vouched);
    let root = tree.root();
    assert_eq!(root.cluster_id, CLUSTER);
    assert_eq!(root.label, "test");
    assert_eq!(root.nodes.len(), 3);
    assert_eq!(root.nodes[0].settings["log.segment.bytes"], "1048576");

    // The metadata is a checkpoint that Kafka can read.
    let metadata = tree.metadata().unwrap().expect("in it");
    let mut file = Vec::new();
    for chunk in &metadata.chunks {
        file.extend(blob(&cluster, chunk.id, chunk).await);
    }
    let position = Position {
        end_offset: metadata.offset,
        epoch: metadata.epoch,
    };
    let checkpoint = Checkpoint::decode(position, &file).unwrap();
    assert_eq!(checkpoint.image.topics().count(), 2);
    assert_eq!(checkpoint.image.brokers().count(), 3);

    // The agents know that the run is over and which one is open.
    tokio::time::sleep(Duration::from_millis(100)).await;
    for agent in &agents {
        let notes = agent.notes.lock().unwrap();
        assert_eq!(notes.runs_ended.len(), 1);
        assert!(notes.runs_ended[0].committed && notes.runs_ended[0].open_run > outcome.run);
    }
    running.stop().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(agents.iter().all(|agent| agent.notes.lock().unwrap().goodbye));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_snapshot_ships_only_what_is_new_and_both_can_be_read() {
    let house = House::new().await;
    let running = house.start().await;
    let disks = disks();
    let agents = agents(&running, &disks).await;
    let (first, _) = running.snapshot().await;
    let before: usize = agents
        .iter()
        .map(|agent| agent.notes.lock().unwrap().shipped_chunks)
        .sum();
    let (unchanged, _) = running.snapshot().await;
    let after: usize = agents
        .iter()
        .map(|agent| agent.notes.lock().unwrap().shipped_chunks)
        .sum();
    assert_eq!(unchanged.error, None);
    assert_eq!(after, before, "nothing is stored again, compacted partitions included");
    assert!(unchanged.new_bytes < first.new_bytes);

    let old: Vec<u8> = disks.lock().unwrap().logs[&(1, topic_id(ORDERS), 0)].concat();
    for node in [1, 2, 3] {
        append(&disks, node, ORDERS, 0, batch(50, 2, 10, "more"));
    }
    let (third, _) = running.snapshot().await;
    let newest: usize = agents
        .iter()
        .map(|agent| agent.notes.lock().unwrap().shipped_chunks)
        .sum();
    assert_eq!(newest, after + 1);
    let cluster = open(house.path(), Identities::none()).await;
    let new: Vec<u8> = disks.lock().unwrap().logs[&(1, topic_id(ORDERS), 0)].concat();
    assert_eq!(restored(&cluster, &first.id, ORDERS, 0).await, old);
    assert_eq!(restored(&cluster, &third.id, ORDERS, 0).await, new);
    assert_eq!(
        restored(&cluster, &third.id, STATE, 0).await,
        restored(&cluster, &first.id, STATE, 0).await
    );
    // What did not change is the base's own node.
    let (base, tree) = (tree(&cluster, &unchanged.id).await, tree(&cluster, &third.id).await);
    assert!(tree.root().totals.as_ref().unwrap().shared_nodes > 0);
    let slot = |topics: Vec<maxbrod_repository::PartitionSlot>| topics[1].node;
    let in_base = slot(base.topic_named("orders").await.unwrap().unwrap().partitions);
    let in_tree = slot(tree.topic_named("orders").await.unwrap().unwrap().partitions);
    assert_eq!(in_base, in_tree);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_coordinator_goes_on_with_the_open_run_and_the_base() {
    let house = House::new().await;
    let disks = disks();
    let running = house.start().await;
    let first_agents = agents(&running, &disks).await;
    let (first, _) = running.snapshot().await;
    let mut operator = running.operator().await;
    let before = operator
        .cluster_status(ClusterStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(before.agents.len(), 3);
    assert_eq!(before.base_snapshot, first.id);
    drop(operator);
    running.stop().await.unwrap();
    drop(first_agents);

    // Even with its cache gone: the repository says everything.
    std::fs::remove_dir_all(house.state.path()).unwrap();
    let running = house.start().await;
    let agents = agents(&running, &disks).await;
    let after = running
        .operator()
        .await
        .cluster_status(ClusterStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(after.open_run, before.open_run);
    assert_eq!(after.epoch, before.epoch + 1);
    assert_eq!(after.base_snapshot, first.id);
    let (second, _) = running.snapshot().await;
    assert_eq!(second.error, None);
    assert_eq!(
        agents
            .iter()
            .map(|agent| agent.notes.lock().unwrap().shipped_chunks)
            .sum::<usize>(),
        0
    );
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_replica_is_shipped_by_another_member() {
    let house = House::new().await;
    let running = house.start().await;
    let disks = disks();
    let agents = agents(&running, &disks).await;
    // Followers are preferred: node 2 or 3 is the source of orders-0.
    for agent in &agents[1..2] {
        agent.notes.lock().unwrap().damaged.push((topic_id(ORDERS), 0));
    }
    let (outcome, _) = running.snapshot().await;
    assert_eq!(outcome.error, None);
    let cluster = open(house.path(), Identities::none()).await;
    let expected: Vec<u8> = disks.lock().unwrap().logs[&(1, topic_id(ORDERS), 0)].concat();
    assert_eq!(restored(&cluster, &outcome.id, ORDERS, 0).await, expected);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_never_arrived_fails_the_commit_and_names_it() {
    let house = House::new().await;
    let running = house.start().await;
    let disks = disks();
    let agents = agents(&running, &disks).await;
    for agent in &agents {
        agent.notes.lock().unwrap().forgets_to_upload = true;
    }
    let (outcome, _) = running.snapshot().await;
    let error = outcome.error.expect("it failed");
    assert_eq!(error.code, "pack-missing");
    assert!(error.message.contains("packs/"), "{}", error.message);
    assert!(!error.remedy.is_empty());
    let cluster = open(house.path(), Identities::none()).await;
    assert!(
        Journal::load(&cluster).await.unwrap().state().snapshots.is_empty(),
        "nothing is half-committed"
    );
    for agent in &agents {
        agent.notes.lock().unwrap().forgets_to_upload = false;
    }
    let (outcome, _) = running.snapshot().await;
    assert_eq!(outcome.error, None);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_doubled_agents_are_refused_with_a_code() {
    let house = House::new().await;
    let running = house.start().await;
    let disks = disks();
    let _agents = agents(&running, &disks).await;
    let mut foreign = FakeAgent::hello(4, 4);
    foreign.cluster_id = "another-cluster".to_owned();
    let refusal = FakeAgent::connect(running.grpc, foreign, Arc::clone(&disks))
        .await
        .err()
        .expect("refused");
    assert_eq!(refusal.code(), tonic::Code::FailedPrecondition);
    assert_eq!(refusal.metadata().get("maxbrod-code").unwrap(), "agent-foreign-cluster");
    let double = FakeAgent::hello(2, 9);
    let refusal = FakeAgent::connect(running.grpc, double, Arc::clone(&disks))
        .await
        .err()
        .expect("refused");
    assert_eq!(refusal.code(), tonic::Code::AlreadyExists);
    let mut newer = FakeAgent::hello(5, 5);
    newer.protocol_version += 1;
    let refusal = FakeAgent::connect(running.grpc, newer, disks)
        .await
        .err()
        .expect("refused");
    assert_eq!(
        refusal.metadata().get("maxbrod-code").unwrap(),
        "agent-protocol-version"
    );
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_coordinator_can_neither_grant_nor_commit() {
    let house = House::new().await;
    let disks = disks();
    let old = house.start().await;
    let _agents = agents(&old, &disks).await;
    let (first, _) = old.snapshot().await;
    assert_eq!(first.error, None);

    let state = tempfile::tempdir().unwrap();
    let mut settings = config(house.path(), state.path());
    settings.cluster_id = Some(CLUSTER.to_owned());
    let new = start(settings).await;
    let new_agents = agents(&new, &disks).await;
    for node in [1, 2, 3] {
        append(&disks, node, ORDERS, 0, batch(50, 2, 10, "more"));
    }
    let (taken, _) = new.snapshot().await;
    assert_eq!(taken.error, None);
    drop(new_agents);
    // The old one still has its agents, and learns of the newer one with the first grant. It stops.
    let request = maxbrod_proto::operator::CreateSnapshotRequest {
        label: String::new(),
        detach: true,
        require_consistency: String::new(),
    };
    old.operator().await.create_snapshot(request).await.unwrap();
    let stopped = old.stopped().await.expect_err("it was fenced off");
    assert_eq!(stopped.code(), "fenced");
    assert!(stopped.to_string().contains("took over"), "{stopped}");
    let cluster = open(house.path(), Identities::none()).await;
    assert_eq!(Journal::load(&cluster).await.unwrap().state().snapshots.len(), 2);
    new.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_repository_is_written_with_keys_that_only_operators_can_use() {
    let repository = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let operator_file = files.path().join("operator.key");
    let coordinator_file = files.path().join("coordinator.key");
    let operator = Identities::generate_file(&operator_file).unwrap();
    let coordinator = Identities::generate_file(&coordinator_file).unwrap();
    let options = InitOptions::Encrypted {
        recipients: vec![operator],
        coordinator_recipients: vec![coordinator],
    };
    init(repository.path(), options).await;
    let mut settings = config(repository.path(), state.path());
    let refused = maxbrod_coordinator::Coordinator::bind(settings.clone())
        .await
        .expect_err("no identity");
    assert_eq!(refused.code(), "identity-needed");
    settings.identity = Some(coordinator_file.clone());
    let running = start(settings).await;
    let disks = disks();
    let _agents = agents(&running, &disks).await;
    let (first, _) = running.snapshot().await;
    assert_eq!(first.error, None);
    let (second, _) = running.snapshot().await;
    assert_eq!(second.error, None);
    running.stop().await.unwrap();

    let cluster = open(repository.path(), Identities::from_file(&operator_file).unwrap()).await;
    let expected: Vec<u8> = disks.lock().unwrap().logs[&(1, topic_id(ORDERS), 0)].concat();
    assert_eq!(restored(&cluster, &second.id, ORDERS, 0).await, expected);
    // The coordinator's identity opens the manifest, but no data.
    let cluster = open(repository.path(), Identities::from_file(&coordinator_file).unwrap()).await;
    let tree = tree(&cluster, "latest").await;
    let partition = tree.find(topic_id(ORDERS), PartitionId(0)).await.unwrap().unwrap();
    let chunk = tree.all_chunks(&partition).await.unwrap()[0];
    assert!(cluster.repository().keys().get(chunk.key.unwrap()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_figures_are_served() {
    let house = House::new().await;
    let running = house.start().await;
    let get = |path: &str| {
        let (http, path) = (running.http, path.to_owned());
        async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut stream = tokio::net::TcpStream::connect(http).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        }
    };
    assert!(get("/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get("/readyz").await.starts_with("HTTP/1.1 503"));
    let disks = disks();
    let _agents = agents(&running, &disks).await;
    running.snapshot().await;
    assert!(get("/readyz").await.starts_with("HTTP/1.1 200"));
    let text = get("/metrics").await;
    assert!(text.contains("maxbrod_snapshots_done_total 1\n"), "{text}");
    assert!(text.contains("maxbrod_agents_connected 3\n"), "{text}");
    assert!(get("/upload/never-granted").await.starts_with("HTTP/1.1 405"));
    running.stop().await.unwrap();
}
