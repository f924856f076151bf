//! What the lab tells about a cluster that lost nothing is that nothing was lost.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use maxbrod_lab::{
    Acknowledged, Cluster, ClusterSpec, Cuts, Distribution, Options, Workload, chain_violations, compare,
    missing_acknowledged, torn_transactions,
};

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_killed_cluster_comes_back_with_every_acknowledged_record_and_passes_every_comparison() {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let installation = std::env::var_os("MAXBROD_KAFKA");
    let distribution = Distribution::obtain(installation.as_deref().map(Path::new), &target).unwrap();
    let work = tempfile::tempdir().unwrap();

    let begun = Instant::now();
    let told = |what: &str| eprintln!("{:6.1} s  {what}", begun.elapsed().as_secs_f64());
    let mut cluster = Cluster::create(ClusterSpec::combined(3).log_dirs(2), &distribution, work.path()).unwrap();
    told("formatted");
    cluster.start_and_wait(PATIENCE).unwrap();
    told("started");
    let client = cluster.client();
    let acknowledged_file = work.path().join("acknowledged");
    let workload = Workload::standard(3, &acknowledged_file).at_least_partitions(200, 3);
    client.create(&workload.setup).unwrap();
    told("created");
    let mut load = client.load(&workload.load).unwrap();
    load.wait_flowing(PATIENCE).unwrap();
    told("load flows");
    std::thread::sleep(Duration::from_secs(8));
    let summary = load.stop().unwrap();
    told(&format!("load stopped {:?}", summary.counters));
    assert_eq!(summary.complaints, Vec::<String>::new());

    let described = client.describe().unwrap();
    told("described");
    assert_eq!(described.cluster_id, cluster.cluster_id());
    assert!(described.partition_count() >= 200, "{}", described.partition_count());
    assert_eq!(described.hanging_transactions, Vec::<String>::new());
    assert_eq!(described.degraded_partitions(), Vec::<String>::new());
    assert_eq!(described.acls.len(), 3);
    assert_eq!(described.scram_users["alice"], ["SCRAM-SHA-512 4096"]);
    assert_eq!(described.quotas.len(), 2);
    assert_eq!(described.broker_configs[""]["log.cleaner.threads"], "1");
    assert!(described.features["metadata.version"] > 0);
    let groups: BTreeSet<_> = described.groups.keys().map(String::as_str).collect();
    assert!(
        groups.is_superset(&["auditors", "chain", "readers"].into()),
        "{groups:?}"
    );

    let options = Options::of(&described);
    let before = client.dump(&work.path().join("before"), None).unwrap();
    told(&format!("dumped {} records", before.record_count()));
    let acknowledged = Acknowledged::read(&acknowledged_file).unwrap();
    assert!(u64::try_from(acknowledged.acknowledgements.len()).unwrap() >= summary.counters.acknowledged);
    assert_eq!(missing_acknowledged(&before, &acknowledged, i64::MAX, &options), []);
    assert_eq!(torn_transactions(&before), []);
    let committed = described.groups["chain"]
        .iter()
        .map(|(name, &offset)| (name.parse().unwrap(), offset))
        .collect();
    assert_eq!(chain_violations(&before, "bank", "bank-chained", &committed), []);

    cluster.kill();
    cluster.start_and_wait(PATIENCE).unwrap();
    told("killed and started");
    let described_again = client.describe().unwrap();
    assert_eq!(described.identity_differences(&described_again), []);
    assert_eq!(described.group_differences(&described_again), []);
    let after = client.dump(&work.path().join("after"), None).unwrap();
    let cuts: Cuts = before
        .partitions
        .iter()
        .map(|(name, partition)| (name.clone(), partition.end))
        .collect();
    let report = compare(&before, &after, &cuts, &options);
    told(&report.to_string());
    assert!(report.is_clean(), "{report}");
    assert!(report.identical > 5_000, "{report}");
    assert_eq!(described_again.offsets_beyond_data(&after), Vec::<String>::new());

    let smoke = client.smoke(&["bank".to_owned(), "empty".to_owned()], 3).unwrap();
    assert_eq!(
        (smoke.produced, smoke.committed, smoke.aborted, smoke.consumed),
        (13, 13, 13, 26)
    );
    told("smoke");

    cluster.stop().unwrap();
    told("stopped");
    cluster.mark_logs();
    cluster.start_and_wait(PATIENCE).unwrap();
    told("started again");
    for id in cluster.node_ids() {
        assert_eq!(cluster.log_problems(id).unwrap(), []);
        let log = cluster.log_since_mark(id).unwrap();
        assert!(log.contains("Skipping recovery"), "{log}");
    }
}
