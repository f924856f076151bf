//! Everything that may befall a cluster while a snapshot runs, on a cluster under the transactional load.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use maxbrod_lab::{Action, ClusterDescription, Problem, TopicPartition, TopicSpec};

use crate::scene::{PATIENCE, Scene};

/// Broken by design: what was acknowledged there is gone.
const BROKEN: [&str; 3] = ["doomed", "reborn", "unclean"];

#[test]
fn faults_come_about_and_leave_the_rest_of_the_cluster_in_one_moment() {
    let mut scene = Scene::boot();
    let client = scene.cluster.client();
    let load = scene.load();
    let before = client.describe().unwrap();
    thread::sleep(Duration::from_secs(3));

    let mut operator = client.operator().unwrap();
    let begun = Instant::now();
    let mut change = |action: Action| {
        let changed = operator.change(&action).unwrap();
        eprintln!(
            "{:6.1} s of actions, {changed} by {action:?}",
            begun.elapsed().as_secs_f64()
        );
        changed
    };
    let moved = change(Action::MoveLeaders { topics: None });
    assert!(moved > 40, "{moved} leaders moved");
    let topic = |topic: &str| topic.to_owned();
    change(Action::CreateTopic(TopicSpec::new("late", 2, 3)));
    change(Action::AddPartitions {
        topic: topic("growing"),
        total: 5,
    });
    let configs = BTreeMap::from([("retention.ms".to_owned(), "86400000".to_owned())]);
    change(Action::SetConfig {
        topic: topic("late"),
        configs,
    });
    assert!(
        change(Action::DeleteRecords {
            topic: topic("shortened"),
            keep: 5
        }) > 0
    );
    change(Action::DeleteTopic { topic: topic("doomed") });
    change(Action::RecreateTopic(TopicSpec::new("reborn", 2, 3)));
    scene.tell("topics changed");

    let replicas = before.topics["unclean"].partitions[1].replicas.clone();
    let newcomer = scene
        .cluster
        .node_ids()
        .into_iter()
        .find(|id| !replicas.contains(id))
        .unwrap();
    let reassigned = vec![newcomer, replicas[0]];
    change(Action::Reassign {
        topic: topic("unclean"),
        partition: 1,
        replicas: reassigned.clone(),
    });
    let log_dirs = scene.cluster.node(1).unwrap().log_dirs.clone();
    let log_dir = log_dirs
        .into_iter()
        .find(|path| !holds(&before, &path.display().to_string(), "bank-a-0"))
        .unwrap();
    change(Action::MoveLogDir {
        topic: topic("bank-a"),
        partition: 0,
        broker: 1,
        log_dir: log_dir.clone(),
    });
    change(Action::AwaitMoves { seconds: 60 });
    scene.tell("replicas moved");

    scene.cluster.mark_logs();
    let has_truncated = (0..3).any(|_| {
        let cluster = &mut scene.cluster;
        cluster
            .kill_with_unreplicated_tail(2, Duration::from_millis(1_500))
            .unwrap();
        thread::sleep(Duration::from_secs(2));
        cluster.start_node(2).unwrap();
        cluster.wait_ready(PATIENCE).unwrap();
        cluster.log_since_mark(2).unwrap().contains("Truncating to offset")
    });
    assert!(has_truncated);
    scene.tell("a tail truncated");

    scene
        .cluster
        .elect_uncleanly(&TopicPartition::new("unclean", 0), Duration::from_secs(3))
        .unwrap();
    scene.cluster.wait_ready(PATIENCE).unwrap();
    scene.tell("elected uncleanly");
    let summary = load.stop().unwrap();
    scene.tell(&format!(
        "load stopped {:?} {:#?}",
        summary.counters, summary.complaints
    ));

    let seen = scene.look(&client);
    let (dump, after) = &seen;
    assert!(!after.topics.contains_key("doomed"));
    assert_ne!(after.topics["reborn"].id, before.topics["reborn"].id);
    assert_eq!(after.topics["growing"].partitions.len(), 5);
    assert_eq!(after.topics["late"].configs["retention.ms"], "86400000");
    assert_eq!(after.topics["unclean"].partitions[1].replicas, reassigned);
    assert!(holds(after, &log_dir.display().to_string(), "bank-a-0"));

    let verdict = scene.judge(&seen, i64::MAX, &BROKEN);
    assert!(verdict.is_clean(), "{verdict}");
    assert!(verdict.outputs > 100, "{verdict}");
    assert!(dump.partitions[&TopicPartition::new("shortened", 0)].start > 0);
    let strict = scene.judge(&seen, i64::MAX, &["doomed", "reborn"]);
    let is_lost =
        |problem: &Problem| matches!(problem, Problem::Unkept { partition, .. } if partition.topic == "unclean");
    assert!(!strict.is_clean() && strict.problems.iter().all(is_lost), "{strict}");
}

/// Tells whether broker 1 has a replica in one of its log dirs.
fn holds(description: &ClusterDescription, log_dir: &str, partition: &str) -> bool {
    let log_dirs = description.log_dirs.get("1");
    log_dirs
        .and_then(|log_dirs| log_dirs.get(log_dir))
        .is_some_and(|replicas| replicas.contains_key(partition))
}
