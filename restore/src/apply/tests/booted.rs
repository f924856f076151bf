//! A real cluster, stopped, lost, restored from its own files and started again. Minutes long, so run by name:
//! `cargo test -p maxbrod-restore -- --ignored booted --test-threads 1`.

use std::time::{Duration, Instant};

use maxbrod_lab::{Cluster as Kafka, ClusterSpec, Cuts, Distribution, Options, Role, Voters, Workload, compare};

use super::broker_files::{NodeFiles, snapshot_of};
use super::*;

const PATIENCE: Duration = Duration::from_secs(120);
/// Configs that a restore holds back.
const HELD: [&str; 2] = ["retention.ms", "retention.bytes"];

fn files(cluster: &Kafka) -> Vec<NodeFiles> {
    let voters = cluster.nodes().iter().filter(|node| node.role.is_controller());
    let voters: Vec<String> = voters.map(|node| format!("{}@127.0.0.1:1", node.id)).collect();
    let nodes = cluster.nodes().iter().map(|node| NodeFiles {
        id: node.id,
        roles: match node.role {
            Role::Combined => &["broker", "controller"],
            Role::Broker => &["broker"],
            Role::Controller => &["controller"],
        },
        dirs: node.log_dirs.clone(),
        original: node.log_dirs.iter().map(|path| path.display().to_string()).collect(),
        voters: voters.join(","),
    });
    nodes.collect()
}

async fn lost_and_restored(spec: ClusterSpec) {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let installation = std::env::var_os("MAXBROD_KAFKA");
    let distribution = Distribution::obtain(installation.as_deref().map(Path::new), &target).unwrap();
    let work = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let told = |what: &str| println!("{:6.1} s  {what}", begun.elapsed().as_secs_f64());

    let brokers = spec.brokers();
    let replication = brokers.min(3) as i16;
    let mut kafka = Kafka::create(spec, &distribution, &work.path().join("kafka")).unwrap();
    kafka.start_and_wait(PATIENCE).unwrap();
    let client = kafka.client();
    let workload =
        Workload::standard(replication, work.path().join("acknowledged")).at_least_partitions(100, replication);
    client.create(&workload.setup).unwrap();
    let mut load = client.load(&workload.load).unwrap();
    load.wait_flowing(PATIENCE).unwrap();
    std::thread::sleep(Duration::from_secs(6));
    told(&format!("loaded {:?}", load.stop().unwrap().counters));
    let before = client.describe().unwrap();
    let dump = client.dump(&work.path().join("before"), None).unwrap();
    kafka.stop().unwrap();
    told("stopped");

    let snapshot = snapshot_of(&files(&kafka), work.path());
    let journal = snapshot.commit(&work.path().join("repository")).await;
    kafka.wipe().unwrap();
    let plan = plan(&journal, "latest", &PlanOptions::default()).await.unwrap();
    for node in kafka.node_ids() {
        let applied = apply(journal.cluster(), order(&plan, node)).await.unwrap();
        told(&format!("restored node {node}: {applied:?}"));
        assert_eq!(applied.warnings, Vec::<String>::new());
    }
    kafka.mark_logs();
    let starting = Instant::now();
    kafka.start_and_wait(PATIENCE).unwrap();
    told(&format!("started within {:.1} s", starting.elapsed().as_secs_f64()));

    let mut problems = Vec::new();
    for node in kafka.node_ids() {
        let log = kafka.log_since_mark(node).unwrap();
        for word in ["UNCLEAN", "unclean election", "Recovering unflushed", "-stray"] {
            let lines = log.lines().filter(|line| line.contains(word));
            problems.extend(lines.map(|line| format!("node {node}: {line}")));
        }
        let problem = kafka.log_problems(node).unwrap();
        problems.extend(problem.iter().map(|problem| format!("node {node}: {problem}")));
    }
    println!("{}", problems.join("\n"));
    let after = client.describe().unwrap();
    let without_held = |description: &maxbrod_lab::ClusterDescription| {
        let mut description = description.clone();
        for topic in description.topics.values_mut() {
            topic.configs.retain(|key, _| !HELD.contains(&key.as_str()));
        }
        description
    };
    assert_eq!(without_held(&before).identity_differences(&without_held(&after)), []);
    assert_eq!(before.group_differences(&after), []);
    assert_eq!(after.degraded_partitions(), Vec::<String>::new());
    let restored = client.dump(&work.path().join("after"), None).unwrap();
    let ends = dump
        .partitions
        .iter()
        .map(|(name, partition)| (name.clone(), partition.end));
    let cuts: Cuts = ends.collect();
    let report = compare(&dump, &restored, &cuts, &Options::of(&before));
    told(&report.to_string());
    assert!(report.is_clean(), "{report}");
    let smoke = client.smoke(&["bank".to_owned()], replication).unwrap();
    told(&format!("{smoke:?}"));
    assert_eq!(problems, Vec::<String>::new());
    for node in kafka.nodes().iter().filter(|node| node.role.is_broker()) {
        let log = kafka.log_since_mark(node.id).unwrap();
        assert!(log.contains("Skipping recovery"), "node {}", node.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots a real Kafka cluster"]
async fn booted_three_combined_nodes_with_two_log_dirs_each() {
    lost_and_restored(ClusterSpec::combined(3).log_dirs(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots a real Kafka cluster"]
async fn booted_without_eligible_leader_replicas() {
    lost_and_restored(ClusterSpec::combined(3).without_eligible_leader_replicas()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots a real Kafka cluster"]
async fn booted_separate_controllers_of_a_dynamic_quorum() {
    lost_and_restored(ClusterSpec::separate(2, 1).voters(Voters::Dynamic)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots a real Kafka cluster"]
async fn booted_three_voters_of_a_dynamic_quorum() {
    lost_and_restored(ClusterSpec::combined(3).voters(Voters::Dynamic)).await;
}
