//! What load is put on a cluster.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::setup::{AclSpec, QuotaSpec, ScramUserSpec, Setup, TopicSpec};

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
    /// Records per second that all producers write together.
    pub records_per_second: u32,
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
    /// Regular DeleteRecords.
    pub delete_records: Vec<DeleteRecordsSpec>,
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

/// A transactional producer, each transaction of which writes to several partitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransactionalSpec {
    /// Its transactional id.
    pub id: String,
    /// The topics it writes to.
    pub topics: Vec<String>,
    /// Records per transaction.
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
    /// Everything that a snapshot has to get right, on a cluster whose topics can have `replication` replicas.
    ///
    /// Transactions across partitions with aborts, an exactly-once chain, a group that reads transactional topics without
    /// transactions (a cut has to look at its offsets separately), every codec, compaction with tombstones, retention and
    /// segment rolls, DeleteRecords, LogAppendTime, unreplicated and empty partitions, classic and new groups; ACLs, a
    /// SCRAM user, quotas, topic and broker configs.
    pub fn standard(replication: i16, acknowledged: impl Into<PathBuf>) -> Self {
        let two = replication.min(2);
        let minimum = two;
        let segment = 1 << 20; // the least that Kafka 4 accepts (KIP-1030)
        let mut topics = vec![
            TopicSpec::new("bank", 6, replication)
                .config("min.insync.replicas", minimum)
                .config("segment.bytes", segment),
            TopicSpec::new("bank-chained", 4, replication).config("min.insync.replicas", minimum),
            TopicSpec::new("compacted", 3, replication)
                .config("cleanup.policy", "compact")
                .config("segment.bytes", segment)
                .config("segment.ms", 5_000)
                .config("min.cleanable.dirty.ratio", "0.01"),
            TopicSpec::new("short-lived", 2, two)
                .config("retention.bytes", 2 << 20)
                .config("segment.bytes", segment)
                .config("file.delete.delay.ms", 1_000),
            TopicSpec::new("shortened", 2, two),
            TopicSpec::new("append-time", 2, two).config("message.timestamp.type", "LogAppendTime"),
            TopicSpec::new("unreplicated", 4, 1),
            TopicSpec::new("empty", 4, replication),
        ];
        topics.extend(Codec::ALL.map(|codec| TopicSpec::new(codec_topic(codec), 2, two)));
        Self {
            setup: Setup {
                topics,
                acls: vec![
                    acl("TOPIC", "bank", "READ"),
                    acl("GROUP", "auditors", "READ"),
                    acl("TOPIC", "bank-", "WRITE"),
                ],
                scram_users: vec![ScramUserSpec {
                    name: "alice".into(),
                    password: "wonderland".into(),
                    iterations: 4096,
                }],
                quotas: vec![
                    quota("client-id", "greedy", "producer_byte_rate", 1_048_576.0),
                    quota("user", "alice", "consumer_byte_rate", 2_097_152.0),
                ],
                broker_configs: [("log.cleaner.threads".to_owned(), "1".to_owned())].into(),
            },
            load: LoadSpec {
                records_per_second: 1_200,
                seconds: None,
                acknowledged: acknowledged.into(),
                value_bytes: 200,
                transactional: Codec::ALL
                    .into_iter()
                    .zip(0_u32..)
                    .take(3)
                    .map(|(codec, number)| TransactionalSpec {
                        id: format!("teller-{number}"),
                        topics: vec!["bank".into()],
                        records: 6 + number,
                        abort_percent: 20,
                        codec,
                    })
                    .collect(),
                chains: vec![ChainSpec {
                    id: "chain-0".into(),
                    group: "chain".into(),
                    from: "bank".into(),
                    to: "bank-chained".into(),
                }],
                plain: Codec::ALL
                    .into_iter()
                    .map(|codec| plain(&codec_topic(codec), codec, true))
                    .chain([
                        plain("short-lived", Codec::None, true),
                        plain("shortened", Codec::Zstd, true),
                        plain("append-time", Codec::Lz4, true),
                        plain("unreplicated", Codec::None, false),
                    ])
                    .collect(),
                compacted: vec![CompactedSpec {
                    topic: "compacted".into(),
                    keys: 500,
                    tombstone_percent: 10,
                }],
                groups: vec![
                    group("auditors", GroupProtocol::Classic, &["bank"], false),
                    group(
                        "readers",
                        GroupProtocol::Consumer,
                        &["codec-none", "codec-zstd", "bank-chained"],
                        true,
                    ),
                ],
                delete_records: vec![DeleteRecordsSpec {
                    topic: "shortened".into(),
                    every_seconds: 5,
                    keep: 500,
                }],
            },
        }
    }

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
    }
}

fn acl(resource_type: &str, resource: &str, operation: &str) -> AclSpec {
    AclSpec {
        principal: "User:alice".into(),
        resource_type: resource_type.into(),
        resource: resource.into(),
        pattern: if resource.ends_with('-') { "PREFIXED" } else { "LITERAL" }.into(),
        operation: operation.into(),
        permission: "ALLOW".into(),
    }
}

fn quota(entity: &str, name: &str, key: &str, value: f64) -> QuotaSpec {
    QuotaSpec {
        entity: [(entity.into(), name.into())].into(),
        values: [(key.into(), value)].into(),
    }
}
