//! A node's server.properties.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::node::Node;
use super::spec::{ClusterSpec, Voters};

/// Settings of every node: small, so that three fit on a laptop, and quick, so that a test sees rolls, retention, cleaning
/// and elections within seconds. Which file ends up where and in what form is left at Kafka's defaults.
const QUICK_AND_SMALL: &[(&str, &str)] = &[
    ("auto.create.topics.enable", "false"),
    ("background.threads", "2"),
    ("controlled.shutdown.enable", "true"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("log.cleaner.backoff.ms", "1000"),
    ("log.cleaner.dedupe.buffer.size", "4194304"),
    ("log.initial.task.delay.ms", "2000"),
    ("log.retention.check.interval.ms", "2000"),
    ("num.io.threads", "4"),
    ("num.network.threads", "2"),
    ("num.recovery.threads.per.data.dir", "2"),
    ("num.replica.fetchers", "1"),
    ("offsets.topic.num.partitions", "10"),
    ("offsets.topic.segment.bytes", "1048576"),
    ("replica.fetch.wait.max.ms", "200"),
    ("share.coordinator.state.topic.num.partitions", "2"),
    ("transaction.state.log.num.partitions", "10"),
    ("transaction.state.log.segment.bytes", "1048576"),
    ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "2000"),
];

/// Writes down the configuration of `node`.
pub(super) fn server_properties(node: &Node, nodes: &[Node], spec: &ClusterSpec) -> String {
    let mut settings: BTreeMap<String, String> = QUICK_AND_SMALL
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let mut set = |key: &str, value: String| settings.insert(key.to_owned(), value);

    set("node.id", node.id.to_string());
    set("process.roles", node.role.process_roles().to_owned());
    let log_dirs: Vec<_> = node
        .log_dirs
        .iter()
        .map(|directory| directory.display().to_string())
        .collect();
    set("log.dirs", log_dirs.join(","));

    let broker = node.broker_port.map(|port| format!("PLAINTEXT://127.0.0.1:{port}"));
    let controller = node
        .controller_port
        .map(|port| format!("CONTROLLER://127.0.0.1:{port}"));
    set(
        "listeners",
        broker
            .clone()
            .into_iter()
            .chain(controller)
            .collect::<Vec<_>>()
            .join(","),
    );
    if let Some(broker) = broker {
        set("advertised.listeners", broker);
    }
    set("controller.listener.names", "CONTROLLER".to_owned());
    set(
        "listener.security.protocol.map",
        "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
    );

    let controllers = nodes
        .iter()
        .filter_map(|other| Some((other.id, other.controller_port?)));
    match spec.voters {
        Voters::Static => set(
            "controller.quorum.voters",
            controllers
                .map(|(id, port)| format!("{id}@127.0.0.1:{port}"))
                .collect::<Vec<_>>()
                .join(","),
        ),
        Voters::Dynamic => set(
            "controller.quorum.bootstrap.servers",
            controllers
                .map(|(_, port)| format!("127.0.0.1:{port}"))
                .collect::<Vec<_>>()
                .join(","),
        ),
    };

    let replicas = spec.brokers().min(3);
    let minimum = replicas.min(2);
    for topic in [
        "offsets.topic",
        "transaction.state.log",
        "share.coordinator.state.topic",
    ] {
        set(&format!("{topic}.replication.factor"), replicas.to_string());
    }
    for topic in ["transaction.state.log", "share.coordinator.state.topic"] {
        set(&format!("{topic}.min.isr"), minimum.to_string());
    }
    if spec.authorizer {
        set(
            "authorizer.class.name",
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
        );
        set("super.users", "User:ANONYMOUS".to_owned());
    }
    for (key, value) in &spec.settings {
        set(key, value.clone());
    }

    let mut text = String::new();
    for (key, value) in settings.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{key}={value}");
    }
    text
}
