//! A cluster of fake agents that speak the real contract: their "disks" are in memory, everything else is real.

#![allow(dead_code, reason = "each test binary uses its own part")]

mod agent;
mod metadata;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use maxbrod_coordinator::{Config, Consistency, Coordinator, CoordinatorError, Require, Retention, Snapshot};
use maxbrod_kafka::{BatchBuilder, Batches, ClusterId, LeaderEpoch, Offset, TopicId, Uuid};
use maxbrod_proto::operator::operator_client::OperatorClient;
use maxbrod_proto::operator::{CreateSnapshotRequest, SnapshotOutcome};
use maxbrod_repository::{Cluster, Environment, Identities, InitOptions, Journal, Location, Repository, Store, Tree};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

pub use agent::FakeAgent;
pub use metadata::Metadata;

pub const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";

/// The disks of all nodes: who has which batches of which partition.
#[derive(Debug, Default)]
pub struct Disks {
    pub logs: BTreeMap<(i32, TopicId, i32), Vec<Bytes>>,
    pub metadata: Vec<Bytes>,
}

pub type Shared = Arc<Mutex<Disks>>;

pub fn topic_id(number: u8) -> TopicId {
    TopicId(Uuid([number; 16]))
}

/// A batch of `count` records.
pub fn batch(base: i64, epoch: i32, count: i64, text: &str) -> Bytes {
    let mut builder = BatchBuilder::new(Offset(base), LeaderEpoch(epoch));
    for index in 0..count {
        builder = builder.record(1_000 + index, Some(text.as_bytes()), Some(&[index as u8; 100]));
    }
    builder.build().into()
}

pub fn end_of(bytes: &[u8]) -> (i64, i32, u32) {
    let header = Batches::new(bytes, 0).next().unwrap().unwrap().header.unwrap();
    (header.next_offset().0, header.leader_epoch.0, header.crc)
}

pub fn base_of(bytes: &[u8]) -> i64 {
    Batches::new(bytes, 0).next().unwrap().unwrap().base_offset().0
}

/// A coordinator that runs.
pub struct Running {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    pub task: JoinHandle<Result<(), CoordinatorError>>,
    stop: Option<oneshot::Sender<()>>,
}

impl Running {
    pub async fn stop(mut self) -> Result<(), CoordinatorError> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.task.await.unwrap()
    }

    /// Waits until it stops by itself.
    pub async fn stopped(self) -> Result<(), CoordinatorError> {
        self.task.await.unwrap()
    }

    pub async fn operator(&self) -> OperatorClient<Channel> {
        OperatorClient::connect(format!("http://{}", self.grpc)).await.unwrap()
    }

    /// Takes a snapshot and returns its outcome and the stages that were told.
    pub async fn snapshot(&self) -> (SnapshotOutcome, Vec<String>) {
        let request = CreateSnapshotRequest {
            label: "test".to_owned(),
            detach: false,
            require_consistency: String::new(),
        };
        let mut progress = self
            .operator()
            .await
            .create_snapshot(request)
            .await
            .unwrap()
            .into_inner();
        let mut stages = Vec::new();
        while let Some(message) = progress.message().await.unwrap() {
            if stages.last() != Some(&message.stage) {
                stages.push(message.stage);
            }
            if let Some(outcome) = message.outcome {
                return (outcome, stages);
            }
        }
        panic!("the stream ended without an outcome after {stages:?}");
    }
}

pub fn url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

pub async fn init(folder: &Path, options: InitOptions) {
    let store = Store::prepare(&Location::files(folder)).await.unwrap();
    Repository::init(store, options, Environment::system("test"))
        .await
        .unwrap();
}

pub fn config(repository: &Path, state_dir: &Path) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        http_listen: "127.0.0.1:0".parse().unwrap(),
        http_url: None,
        repository: url(repository),
        state_dir: state_dir.to_owned(),
        cluster_id: None,
        identity: None,
        insecure: true,
        snapshot: Snapshot {
            every: None,
            require: Require::All,
            require_consistency: Consistency::CrashConsistent,
        },
        retention: Retention::default(),
        tls: None,
        hooks: Vec::new(),
    }
}

pub async fn start(config: Config) -> Running {
    let coordinator = Coordinator::bind(config).await.unwrap();
    let (grpc, http) = (coordinator.listen(), coordinator.http_listen());
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(coordinator.serve(async move {
        let _ = stopped.await;
    }));
    Running {
        grpc,
        http,
        task,
        stop: Some(stop),
    }
}

/// The cluster's part of the repository, opened like a restore would.
pub async fn open(folder: &Path, identities: Identities) -> Cluster {
    let store = Store::open(&Location::files(folder)).await.unwrap();
    let repository = Repository::open(store, identities, Environment::system("reader"))
        .await
        .unwrap();
    repository.cluster(&ClusterId(CLUSTER.to_owned())).unwrap()
}

pub async fn tree(cluster: &Cluster, snapshot: &str) -> Tree {
    let journal = Journal::load(cluster).await.unwrap();
    Tree::open(cluster, &journal.snapshot(snapshot).unwrap().committed.root)
        .await
        .unwrap()
}
