//! The load that shows whether a snapshot is one moment of the whole cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{
    ChainSpec, Codec, CompactedSpec, GroupProtocol, GroupSpec, LoadSpec, SchemasSpec, ShareSpec, TransactionalSpec,
    Workload, codec_topic, group, plain,
};
use crate::old_clients::{OldClient, OldClients, OldTellers};
use crate::setup::{Setup, TopicSpec};

/// Transactional ids of Java's current client: ten that differ in the last digit have one partition of
/// `__transaction_state` each (`abs(hash) % 10`).
const TELLERS: u32 = 10;
const BANKS: [&str; 3] = ["bank-a", "bank-b", "bank-c"];
/// Topics that tests delete, re-create, extend or elect uncleanly. Nothing else depends on them.
const VICTIMS: [&str; 3] = ["doomed", "reborn", "growing"];
/// A topic whose partitions can lose all in-sync replicas while the quorum of three combined nodes still has its majority.
const UNCLEAN: &str = "unclean";

impl Workload {
    /// Many small transactions at a time, and everything whose state has to fit theirs.
    ///
    /// * tellers move money between the topics `bank-a`, `bank-b`, `bank-c` and `inputs` in all codecs, a fifth of the
    ///   transactions is aborted;
    /// * two exactly-once stages, `inputs` → `stage-1` → `stage-2`;
    /// * idempotent and plain producers in all codecs (`codec-…`), a compacted topic;
    /// * `_schemas`, cited by `documents`;
    /// * groups without transactions on the transactional topics that commit often: `auditors` (classic, read_committed),
    ///   `clerks` (consumer protocol, read_committed), `onlookers` (classic, read_uncommitted);
    /// * topics for faults: `doomed`, `reborn`, `growing`, `unclean` and `shortened`.
    ///
    /// Judged by [`judge_moment`](crate::judge_moment); old clients come by [`Self::with_old_clients`], a share group by
    /// [`Self::with_share_group`].
    pub fn transactional(replication: i16, acknowledged: impl Into<PathBuf>) -> Self {
        let minimum = replication.min(2);
        let topic = |name: &str, partitions| {
            TopicSpec::new(name, partitions, replication)
                .config("min.insync.replicas", minimum)
                .config("segment.bytes", 1 << 20)
        };
        let compacted = |name: &str, partitions| {
            topic(name, partitions)
                .config("cleanup.policy", "compact")
                .config("segment.ms", 5_000)
                .config("min.cleanable.dirty.ratio", "0.01")
        };
        let mut topics = vec![
            topic("inputs", 4),
            topic("stage-1", 4),
            topic("stage-2", 3),
            topic("documents", 3),
            compacted("_schemas", 1),
            compacted("compacted", 3),
            topic("shortened", 2),
        ];
        topics.extend(
            BANKS
                .into_iter()
                .zip([6, 4, 3])
                .map(|(name, partitions)| topic(name, partitions)),
        );
        topics.extend(Codec::ALL.map(|codec| topic(&codec_topic(codec), 2)));
        topics.extend(VICTIMS.map(|name| topic(name, 2)));
        topics.push(TopicSpec::new(UNCLEAN, 2, minimum));
        let codecs = || Codec::ALL.into_iter().cycle();
        let tellers = codecs().zip(0..TELLERS).map(|(codec, number)| {
            // Those that write inputs feed the chains.
            let more: &[&str] = if number % 2 == 0 { &["inputs"] } else { &[] };
            teller(&format!("teller-{number}"), more, 2 + number % 3, codec)
        });
        let plain_producers = Codec::ALL
            .into_iter()
            .flat_map(|codec| [true, false].map(|idempotent| plain(&codec_topic(codec), codec, idempotent)));
        let victims = VICTIMS.into_iter().chain([UNCLEAN, "shortened"]).zip(codecs());
        Self {
            setup: Setup {
                topics,
                ..Setup::default()
            },
            load: LoadSpec {
                records_per_second: 200,
                // More than two cores can do: each teller begins a transaction as soon as the last one ended.
                transactional_records_per_second: Some(2_000),
                seconds: None,
                acknowledged: acknowledged.into(),
                value_bytes: 100,
                transactional: tellers.collect(),
                chains: [("inputs", "stage-1"), ("stage-1", "stage-2")]
                    .map(|(from, to)| chain(from, to))
                    .into(),
                plain: plain_producers
                    .chain(victims.map(|(topic, codec)| plain(topic, codec, true)))
                    .collect(),
                compacted: vec![CompactedSpec {
                    topic: "compacted".into(),
                    keys: 300,
                    tombstone_percent: 10,
                }],
                groups: vec![
                    often(group("auditors", GroupProtocol::Classic, &BANKS, true)),
                    often(group(
                        "clerks",
                        GroupProtocol::Consumer,
                        &["bank-a", "stage-1", "stage-2"],
                        true,
                    )),
                    often(group("onlookers", GroupProtocol::Classic, &["bank-b", "inputs"], false)),
                ],
                schemas: vec![SchemasSpec {
                    schemas: "_schemas".into(),
                    data: "documents".into(),
                }],
                shares: Vec::new(),
                delete_records: Vec::new(),
                old: Vec::new(),
            },
        }
    }

    /// Adds tellers of clients that know nothing of KIP-890, whose transactions are of version 0 or 1: two of librdkafka and
    /// two of Java's 3.9.
    #[must_use]
    pub fn with_old_clients(mut self, clients: &OldClients) -> Self {
        let partitions: BTreeMap<_, _> = self
            .setup
            .topics
            .iter()
            .map(|topic| (topic.name.clone(), topic.partitions))
            .collect();
        let tellers = |name: &str, client: OldClient| OldTellers {
            client,
            tellers: [(1, Codec::Lz4), (2, Codec::Gzip)]
                .map(|(number, codec)| teller(&format!("{name}-{number}"), &[], 3, codec))
                .into(),
            records_per_second: 100,
            partitions: partitions.clone(),
        };
        self.load.old = vec![
            tellers("librdkafka", OldClient::Librdkafka(clients.teller.clone())),
            tellers("java-3", OldClient::Java(clients.java.clone())),
        ];
        self
    }

    /// Adds the share group `sharers` on `bank-c` and `codec-none`.
    #[must_use]
    pub fn with_share_group(mut self) -> Self {
        self.load.shares = vec![ShareSpec {
            group: "sharers".into(),
            topics: vec!["bank-c".into(), "codec-none".into()],
        }];
        self
    }
}

fn teller(id: &str, more: &[&str], records: u32, codec: Codec) -> TransactionalSpec {
    TransactionalSpec {
        id: id.into(),
        topics: BANKS.iter().chain(more).map(|&topic| topic.to_owned()).collect(),
        records,
        abort_percent: 20,
        codec,
    }
}

fn chain(from: &str, to: &str) -> ChainSpec {
    ChainSpec {
        id: format!("chain-to-{to}"),
        group: format!("chain-to-{to}"),
        from: from.into(),
        to: to.into(),
    }
}

/// Few records at a time, so that there is a commit at nearly every moment.
fn often(group: GroupSpec) -> GroupSpec {
    GroupSpec {
        max_poll_records: 20,
        ..group
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use crate::old_clients::OldClients;
    use crate::workload::Workload;

    fn workload() -> Workload {
        let clients = OldClients {
            teller: Path::new("teller").into(),
            java: Path::new("libs").into(),
        };
        Workload::transactional(3, "acknowledged")
            .with_old_clients(&clients)
            .with_share_group()
    }

    #[test]
    fn transactional_ids_use_all_ten_partitions_of_the_coordinators_topic() {
        let load = workload().load;
        let old = load.old.iter().flat_map(|old| &old.tellers);
        let ids = load.transactional.iter().chain(old).map(|teller| &teller.id);
        // As Java hashes a string, and Kafka's Utils.abs a number.
        let hash = |id: &String| {
            id.bytes()
                .fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()))
        };
        let partitions: BTreeSet<_> = ids.map(|id| (hash(id) & i32::MAX) % 10).collect();
        assert_eq!(partitions.len(), 10);
    }

    #[test]
    fn every_topic_of_the_load_is_created() {
        let Workload { setup, load } = workload();
        let created: BTreeSet<_> = setup.topics.iter().map(|topic| &topic.name).collect();
        let tellers = load
            .transactional
            .iter()
            .chain(load.old.iter().flat_map(|old| &old.tellers));
        let used = tellers
            .flat_map(|teller| &teller.topics)
            .chain(load.chains.iter().flat_map(|chain| [&chain.from, &chain.to]))
            .chain(load.plain.iter().map(|plain| &plain.topic))
            .chain(load.groups.iter().flat_map(|group| &group.topics))
            .chain(load.shares.iter().flat_map(|share| &share.topics))
            .chain(
                load.schemas
                    .iter()
                    .flat_map(|registry| [&registry.schemas, &registry.data]),
            )
            .chain(load.compacted.iter().map(|compacted| &compacted.topic));
        let used: BTreeSet<_> = used.collect();
        assert_eq!(created, used);
    }
}
