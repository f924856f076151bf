//! A cluster under the transactional load, and what the judges need of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use maxbrod_lab::{
    Acknowledged, Client, Cluster, ClusterDescription, ClusterSpec, Distribution, Dump, LoadHandle, Moment, OldClients,
    Options, Verdict, Workload, judge_moment,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Transactions time out after 15 s, and coordinators look every 2 s.
const ENDING: Duration = Duration::from_secs(30);

pub(crate) struct Scene {
    work: tempfile::TempDir,
    begun: Instant,
    pub(crate) cluster: Cluster,
    pub(crate) workload: Workload,
}

impl Scene {
    /// Three combined nodes with two log dirs each, and the topics of the load.
    pub(crate) fn boot() -> Self {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        let installation = std::env::var_os("MAXBROD_KAFKA");
        let distribution = Distribution::obtain(installation.as_deref().map(Path::new), &target).unwrap();
        let old = OldClients::obtain(&target).unwrap();
        let work = tempfile::tempdir().unwrap();
        let workload = Workload::transactional(3, work.path().join("acknowledged"))
            .with_old_clients(&old)
            .with_share_group();
        let begun = Instant::now();
        let spec = ClusterSpec::combined(3).log_dirs(2);
        let mut cluster = Cluster::create(spec, &distribution, &work.path().join("original")).unwrap();
        cluster.start_and_wait(PATIENCE).unwrap();
        cluster.client().create(&workload.setup).unwrap();
        let scene = Self {
            work,
            begun,
            cluster,
            workload,
        };
        scene.tell("created");
        scene
    }

    pub(crate) fn tell(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.begun.elapsed().as_secs_f64());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// Puts the load on and waits until it flows.
    pub(crate) fn load(&self) -> LoadHandle {
        let mut load = self.cluster.client().load(&self.workload.load).unwrap();
        load.wait_flowing(PATIENCE).unwrap();
        self.tell("load flows");
        load
    }

    /// Sees what a cluster holds, once its open transactions have had their time to end.
    pub(crate) fn look(&self, client: &Client) -> (Dump, ClusterDescription) {
        let undecided = client.undecided(ENDING).unwrap();
        self.tell(&format!("{} partitions undecided", undecided.len()));
        let dump = client.dump(&self.path("dump"), None).unwrap();
        self.tell(&format!("dumped {} records", dump.record_count()));
        (dump, client.describe().unwrap())
    }

    /// Judges what was seen against what was acknowledged before an instant.
    pub(crate) fn judge(&self, seen: &(Dump, ClusterDescription), began_ms: i64, broken: &[&str]) -> Verdict {
        let (dump, description) = seen;
        let verdict = judge_moment(&Moment {
            dump,
            description,
            acknowledged: &Acknowledged::read(&self.workload.load.acknowledged).unwrap(),
            began_ms,
            chains: &self.workload.load.chains,
            options: &Options::of(description),
            broken: &broken.iter().map(|&topic| topic.to_owned()).collect(),
        });
        self.tell(&verdict.to_string());
        verdict
    }
}

/// Visible transactions by the name of their producer without its number.
pub(crate) fn transactions_by_producer(dump: &Dump) -> BTreeMap<String, usize> {
    let tags: BTreeSet<_> = dump
        .partitions
        .values()
        .flat_map(|it| &it.records)
        .filter(|record| record.visible)
        .filter_map(|record| record.transaction.as_ref())
        .collect();
    let mut counts = BTreeMap::new();
    for tag in tags {
        let name = tag.id.rsplit_once('-').map_or(tag.id.as_str(), |(name, _)| name);
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}
