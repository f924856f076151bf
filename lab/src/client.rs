//! Kafka's clients, each call a short-lived Java program (lab/java).

mod tool;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use self::tool::{Format, Tool, line};
use crate::describe::{ClusterDescription, PartitionDescription};
use crate::dump::Dump;
use crate::error::{LabError, Result};
use crate::load::LoadHandle;
use crate::old_clients::OldClient;
use crate::operator::Operator;
use crate::partition::TopicPartition;
use crate::setup::Setup;
use crate::workload::LoadSpec;

const ADMIN: Duration = Duration::from_secs(180);
const DUMP: Duration = Duration::from_secs(600);

/// A client of one cluster.
#[derive(Clone, Debug)]
pub struct Client {
    tool: Tool,
    bootstrap: String,
}

#[derive(Serialize)]
struct Request<'a, B: Serialize> {
    bootstrap: &'a str,
    #[serde(flatten)]
    body: B,
}

#[derive(Serialize)]
struct ReadyRequest {
    brokers: usize,
    seconds: u64,
}

#[derive(Serialize)]
struct DumpRequest<'a> {
    file: &'a Path,
    topics: Option<&'a [String]>,
}

#[derive(Serialize)]
struct SmokeRequest<'a> {
    topics: &'a [String],
    replication: i16,
}

#[derive(Serialize)]
struct PartitionsRequest<'a> {
    topic: &'a str,
}

#[derive(Serialize)]
struct UndecidedRequest {
    seconds: u64,
}

/// What [`Client::smoke`] did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmokeReport {
    /// Records acknowledged outside transactions.
    pub produced: u64,
    /// Records committed in transactions.
    pub committed: u64,
    /// Records of an aborted transaction, none of which was read.
    pub aborted: u64,
    /// Records read back by a consumer group that then committed its offsets.
    pub consumed: u64,
}

impl Client {
    pub(crate) fn new(tool: Tool, bootstrap: String) -> Self {
        Self { tool, bootstrap }
    }

    /// Makes a client of any cluster that can be reached at `bootstrap`; compiled programs go under `work_dir` where the
    /// distribution cannot be written to.
    ///
    /// # Errors
    ///
    /// The Java programs cannot be compiled.
    pub fn of(distribution: &crate::Distribution, bootstrap: impl Into<String>, work_dir: &Path) -> Result<Self> {
        Ok(Self::new(Tool::compile(distribution, work_dir)?, bootstrap.into()))
    }

    /// Waits until `brokers` brokers are unfenced and every partition has a leader and all its replicas in sync.
    ///
    /// # Errors
    ///
    /// It is not so after `timeout`.
    pub fn wait_ready(&self, brokers: usize, timeout: Duration) -> Result<()> {
        let request = ReadyRequest {
            brokers,
            seconds: timeout.as_secs(),
        };
        self.ask("ready", request, timeout + Duration::from_secs(30))
    }

    /// Creates what `setup` lists, and waits until the topics have leaders.
    ///
    /// # Errors
    ///
    /// Kafka refused something.
    pub fn create(&self, setup: &Setup) -> Result<()> {
        self.ask("create", setup, ADMIN)
    }

    /// Describes the cluster.
    ///
    /// # Errors
    ///
    /// Kafka cannot be reached or refused something.
    pub fn describe(&self) -> Result<ClusterDescription> {
        self.ask("describe", (), ADMIN)
    }

    /// Describes the partitions of one topic, in order.
    ///
    /// # Errors
    ///
    /// Kafka cannot be reached, or there is no such topic.
    pub fn partitions(&self, topic: &str) -> Result<Vec<PartitionDescription>> {
        self.ask("partitions", PartitionsRequest { topic }, ADMIN)
    }

    /// Reads every record of `topics`, or of all topics and Kafka's own, into `file`, and reads that.
    ///
    /// Each partition is read from its log start to the end it had when the dump began.
    ///
    /// # Errors
    ///
    /// Kafka cannot be reached, or the file cannot be written or read.
    pub fn dump(&self, file: &Path, topics: Option<&[String]>) -> Result<Dump> {
        let _: serde_json::Value = self.ask("dump", DumpRequest { file, topics }, DUMP)?;
        Dump::read(file)
    }

    /// Proves that the cluster takes new records, transactions and consumer commits: on a topic of its own and on `topics`.
    ///
    /// # Errors
    ///
    /// Something was refused, or what was read back is not what was written.
    pub fn smoke(&self, topics: &[String], replication: i16) -> Result<SmokeReport> {
        self.ask("smoke", SmokeRequest { topics, replication }, ADMIN)
    }

    /// Starts a load, which runs until it is stopped.
    ///
    /// # Errors
    ///
    /// Java cannot be started.
    pub fn load(&self, spec: &LoadSpec) -> Result<LoadHandle> {
        let mut load = LoadHandle::start(&mut self.tool.command("load"), &self.load_request(spec)?)?;
        for old in &spec.old {
            match &old.client {
                OldClient::Java(jars) => {
                    let request = self.load_request(&old.as_load("java-3", spec))?;
                    load.join(
                        "load by an old Java client",
                        &mut self.tool.command_on(jars, "load"),
                        &request,
                    )?;
                }
                OldClient::Librdkafka(program) => {
                    for teller in &old.tellers {
                        let mut command = old.librdkafka(program, teller, &self.bootstrap, spec);
                        load.join("load by librdkafka", &mut command, "")?;
                    }
                }
            }
        }
        Ok(load)
    }

    /// Begins to operate the cluster.
    ///
    /// # Errors
    ///
    /// Java cannot be started.
    pub fn operator(&self) -> Result<Operator> {
        Operator::start(&mut self.tool.command("change"), &line("change", &self.request(()))?)
    }

    /// Waits until no partition has an open transaction, and tells which still have one after `timeout`. For a cluster without
    /// load.
    ///
    /// # Errors
    ///
    /// Kafka cannot be reached.
    pub fn undecided(&self, timeout: Duration) -> Result<Vec<TopicPartition>> {
        let request = UndecidedRequest {
            seconds: timeout.as_secs(),
        };
        let names: Vec<String> = self.ask("undecided", request, timeout + ADMIN)?;
        let parsed = names.iter().map(|name| name.parse());
        parsed
            .collect::<std::result::Result<_, String>>()
            .map_err(|reason| LabError::malformed("answer of undecided", reason))
    }

    fn load_request(&self, spec: &LoadSpec) -> Result<String> {
        line("load", &self.request(spec))
    }

    fn request<B: Serialize>(&self, body: B) -> Request<'_, B> {
        Request {
            bootstrap: &self.bootstrap,
            body,
        }
    }

    fn ask<A: serde::de::DeserializeOwned>(&self, program: &str, body: impl Serialize, timeout: Duration) -> Result<A> {
        self.tool.ask(program, &self.request(body), timeout)
    }
}
