//! The load of most tests.

use std::path::PathBuf;

use super::{ChainSpec, Codec, CompactedSpec, DeleteRecordsSpec, GroupProtocol, LoadSpec, TransactionalSpec, Workload};
use super::{codec_topic, group, plain};
use crate::setup::{AclSpec, QuotaSpec, ScramUserSpec, Setup, TopicSpec};

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
                transactional_records_per_second: None,
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
                schemas: Vec::new(),
                shares: Vec::new(),
                old: Vec::new(),
                delete_records: vec![DeleteRecordsSpec {
                    topic: "shortened".into(),
                    every_seconds: 5,
                    keep: 500,
                }],
            },
        }
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
