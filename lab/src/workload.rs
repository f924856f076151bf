//! What load is put on a cluster.

mod standard;
mod transactional;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::old_clients::OldTellers;
use crate::setup::{Setup, TopicSpec};

/// A cluster's furniture and the load on it, which belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// What is created first.
    pub setup: Setup,
    /// What is written then.
    pub load: LoadSpec,
}

/// The load: which producers and consumers run against which topics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadSpec {
    /// Records per second that all producers write together; chains and old clients aside.
    pub records_per_second: u32,
    /// Records per second of the transactional producers together; without, they share in those of all.
    pub transactional_records_per_second: Option<u32>,
    /// Ends by itself after so many seconds; without, on [`LoadHandle::stop`](crate::LoadHandle::stop).
    pub seconds: Option<u32>,
    /// Where acknowledgements are logged; see [`Acknowledged`](crate::Acknowledged).
    pub acknowledged: PathBuf,
    /// Bytes of a record's value.
    pub value_bytes: u32,
    /// Transactional producers.
    pub transactional: Vec<TransactionalSpec>,
    /// Consume-transform-produce loops.
    pub chains: Vec<ChainSpec>,
    /// Producers without transactions.
    pub plain: Vec<PlainSpec>,
    /// Producers of compacted topics.
    pub compacted: Vec<CompactedSpec>,
    /// Consumer groups that commit.
    pub groups: Vec<GroupSpec>,
    /// Registrations of schemas, and records that cite them.
    pub schemas: Vec<SchemasSpec>,
    /// Share groups.
    pub shares: Vec<ShareSpec>,
    /// Regular DeleteRecords.
    pub delete_records: Vec<DeleteRecordsSpec>,
    /// Transactional producers of older clients, in processes of their own.
    #[serde(skip)]
    pub old: Vec<OldTellers>,
}

/// How a producer compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy, in the framing of its Java library.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// A transactional producer that moves money: each transaction writes to at least two partitions, and its amounts add up to
/// nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransactionalSpec {
    /// Its transactional id.
    pub id: String,
    /// The topics it writes to.
    pub topics: Vec<String>,
    /// Records per transaction, at least two.
    pub records: u32,
    /// Of 100 transactions, how many are aborted.
    pub abort_percent: u32,
    /// How it compresses.
    pub codec: Codec,
}

/// A loop that reads committed records, writes one record for each, and commits its offsets in the same transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainSpec {
    /// Its transactional id.
    pub id: String,
    /// Its consumer group.
    pub group: String,
    /// The topic it reads.
    pub from: String,
    /// The topic it writes.
    pub to: String,
}

/// A producer without transactions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlainSpec {
    /// The topic it writes to.
    pub topic: String,
    /// How it compresses.
    pub codec: Codec,
    /// Whether it is idempotent; it waits for all replicas either way.
    pub idempotent: bool,
}

/// A producer that updates a bounded set of keys and deletes some with tombstones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompactedSpec {
    /// The compacted topic.
    pub topic: String,
    /// How many keys.
    pub keys: u32,
    /// Of 100 records, how many are tombstones.
    pub tombstone_percent: u32,
}

/// The protocol of a consumer group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// Rebalanced by its members.
    Classic,
    /// Rebalanced by the broker (KIP-848).
    Consumer,
}

/// A consumer group with one member that commits what it read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// Its id.
    pub group: String,
    /// Its protocol.
    pub protocol: GroupProtocol,
    /// The topics it subscribes to.
    pub topics: Vec<String>,
    /// Whether it reads committed records only.
    pub read_committed: bool,
    /// After how many records it commits at the latest.
    pub max_poll_records: u32,
}

/// A registry of schemas in a compacted topic, and a producer of records that cite what was registered before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchemasSpec {
    /// The compacted topic of one partition that holds the schemas.
    pub schemas: String,
    /// The topic whose records cite them.
    pub data: String,
}

/// A share group (KIP-932) with one member; the cluster needs share.version=1, Kafka's default from 4.2 on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareSpec {
    /// Its id.
    pub group: String,
    /// The topics it subscribes to.
    pub topics: Vec<String>,
}

/// DeleteRecords on all partitions of a topic, now and then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteRecordsSpec {
    /// The topic.
    pub topic: String,
    /// Seconds in between.
    pub every_seconds: u32,
    /// Records that stay in each partition.
    pub keep: u64,
}

impl Workload {
    /// Adds empty topics of eight partitions until there are at least `partitions` partitions, internal ones aside.
    #[must_use]
    pub fn at_least_partitions(mut self, partitions: usize, replication: i16) -> Self {
        let mut number = 0;
        while self.partitions() < partitions {
            self.setup
                .topics
                .push(TopicSpec::new(format!("wide-{number}"), 8, replication));
            number += 1;
        }
        self
    }

    /// Partitions of all topics that are created.
    pub fn partitions(&self) -> usize {
        self.setup
            .topics
            .iter()
            .map(|topic| usize::try_from(topic.partitions).unwrap_or(0))
            .sum()
    }
}

fn codec_topic(codec: Codec) -> String {
    format!("codec-{}", codec.name())
}

fn plain(topic: &str, codec: Codec, idempotent: bool) -> PlainSpec {
    PlainSpec {
        topic: topic.into(),
        codec,
        idempotent,
    }
}

fn group(group: &str, protocol: GroupProtocol, topics: &[&str], read_committed: bool) -> GroupSpec {
    let topics = topics.iter().map(|&topic| topic.to_owned()).collect();
    GroupSpec {
        group: group.into(),
        protocol,
        topics,
        read_committed,
        max_poll_records: 500,
    }
}
