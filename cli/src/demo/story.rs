//! The demo's steps, in order.

use std::path::Path;
use std::time::{Duration, Instant};

use maxbrod_lab::{Client, Cluster, ClusterDescription, ClusterSpec, Cuts, Distribution, Dump, Programs, Workload};
use maxbrod_repository::Identities;
use serde::Serialize;
use serde_json::Value;

use super::proof::{self, Proof};
use super::say;
use crate::args::Demo;
use crate::exit::{Failure, Kind, Result};
use crate::output::{bytes, table};

const NODES: usize = 3;
const READY: Duration = Duration::from_secs(120);

/// What happened.
#[derive(Debug, Serialize)]
pub(super) struct Story {
    kafka: String,
    steps: Vec<Step>,
    snapshots: Vec<Value>,
    deduplication: Deduplication,
    pub(super) proof: Proof,
}

/// What all replicas took on the brokers' disks, and what both snapshots take in the repository.
#[derive(Debug, Serialize)]
struct Deduplication {
    on_brokers_bytes: u64,
    in_repository_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Step {
    what: String,
    seconds: f64,
}

/// What the original cluster was when it was destroyed.
pub(super) struct Original {
    pub(super) description: ClusterDescription,
    pub(super) dump: Dump,
    pub(super) cuts: Cuts,
}

struct Teller {
    steps: Vec<Step>,
}

impl Teller {
    fn step<T>(&mut self, what: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        say(&format!("· {what}"));
        let start = Instant::now();
        let done = run()?;
        self.steps.push(Step {
            what: what.to_owned(),
            seconds: start.elapsed().as_secs_f64(),
        });
        Ok(done)
    }
}

/// Runs the demo in `dir`.
pub(super) fn run(options: &Demo, dir: &Path) -> Result<Story> {
    let mut teller = Teller { steps: Vec::new() };
    let distribution = teller.step("finding Kafka", || {
        Ok(Distribution::obtain(options.kafka.as_deref(), &dir.join("jars"))?)
    })?;
    let spec = ClusterSpec::combined(NODES).log_dirs(2);
    let mut cluster = Cluster::create(spec, &distribution, &dir.join("cluster"))?;
    teller.step("booting three brokers with two log dirs each", || {
        Ok(cluster.start_and_wait(READY)?)
    })?;
    let client = cluster.client();

    let workload = Workload::standard(3, dir.join("acknowledged")).at_least_partitions(100, 3);
    teller.step("creating topics, ACLs, a SCRAM user, quotas, configs", || {
        Ok(client.create(&workload.setup)?)
    })?;
    let mut load = client.load(&workload.load)?;
    teller.step(
        "putting load on it: transactions, all codecs, compaction, groups",
        || {
            load.wait_flowing(READY)?;
            std::thread::sleep(Duration::from_secs(8));
            Ok(())
        },
    )?;

    let mut programs = prepare_backup(&cluster, dir)?;
    teller.step("starting a coordinator and three agents", || {
        programs.start_coordinator()?;
        for node in cluster.nodes() {
            programs.start_agent(node)?;
        }
        Ok(programs.wait_for_agents(NODES)?)
    })?;
    let mut snapshots = Vec::new();
    snapshots.push(teller.step("snapshot 1, under load: everything", || Ok(programs.snapshot("full")?))?);
    std::thread::sleep(Duration::from_secs(5));
    snapshots.push(teller.step("snapshot 2, under load: what is new", || {
        Ok(programs.snapshot("incremental")?)
    })?);
    std::thread::sleep(Duration::from_secs(2));

    let summary = load.stop()?;
    say(&format!(
        "  load: {} records acknowledged, {} transactions committed, {} aborted",
        summary.counters.acknowledged, summary.counters.committed, summary.counters.aborted
    ));
    let original = teller.step("reading every record, for the comparison afterwards", || {
        remember(&client, &programs, &snapshots, dir)
    })?;

    teller.step("killing all brokers and wiping their disks", || {
        programs.stop_all();
        cluster.kill();
        Ok(cluster.wipe()?)
    })?;
    let deduplication = Deduplication {
        on_brokers_bytes: replica_bytes(&original.description),
        in_repository_bytes: folder_bytes(&dir.join("repository")),
    };
    let id = snapshot_id(snapshots.last())?;
    teller.step("restoring three nodes from the repository alone", || {
        Ok(programs.restore(&cluster, &id)?)
    })?;
    cluster.mark_logs();
    teller.step("booting the restored cluster", || Ok(cluster.start_and_wait(READY)?))?;
    let proof = teller.step("comparing it with the original, record for record", || {
        proof::prove(&cluster, &original, dir)
    })?;
    cluster.stop()?;
    Ok(Story {
        kafka: distribution.version().to_owned(),
        steps: teller.steps,
        snapshots,
        deduplication,
        proof,
    })
}

/// Makes an encrypted repository, as an operator would.
fn prepare_backup(cluster: &Cluster, dir: &Path) -> Result<Programs> {
    let bin = std::env::current_exe()
        .ok()
        .and_then(|path| path.parent().map(Path::to_owned))
        .ok_or_else(|| Failure::new(Kind::Failed, "demo", "the directory of this program is not known"))?;
    for program in ["maxbrod-coordinator", "maxbrod-agent"] {
        if !bin.join(program).is_file() {
            return Err(Failure::new(
                Kind::Failed,
                "program-missing",
                format!("{program} is not in {}", bin.display()),
            )
            .remedy("install it beside maxbrod, or build all three programs"));
        }
    }
    let (operator, coordinator) = (dir.join("operator.key"), dir.join("coordinator.key"));
    let recipient = Identities::generate_file(&operator)?;
    let coordinator_recipient = Identities::generate_file(&coordinator)?;
    let url = format!("file://{}", dir.join("repository").display());
    let programs = Programs::new(&bin, &dir.join("maxbrod"), &url)?
        .encrypted(&operator, &coordinator)
        .coordinator_settings(&format!("cluster_id = \"{}\"\n", cluster.cluster_id()));
    programs.maxbrod_ok(&[
        "init",
        "--recipient",
        &recipient.to_string(),
        "--coordinator-recipient",
        &coordinator_recipient.to_string(),
    ])?;
    Ok(programs)
}

fn remember(client: &Client, programs: &Programs, snapshots: &[Value], dir: &Path) -> Result<Original> {
    let cuts = programs.cuts(&snapshot_id(snapshots.last())?)?;
    Ok(Original {
        description: client.describe()?,
        dump: client.dump(&dir.join("original.dump"), None)?,
        cuts,
    })
}

fn replica_bytes(description: &ClusterDescription) -> u64 {
    let replicas = description
        .log_dirs
        .values()
        .flat_map(|dirs| dirs.values())
        .flat_map(|replicas| replicas.values());
    replicas.map(|bytes| u64::try_from(*bytes).unwrap_or_default()).sum()
}

fn folder_bytes(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes += folder_bytes(&entry.path()),
            Ok(metadata) => bytes += metadata.len(),
            Err(_) => {}
        }
    }
    bytes
}

fn snapshot_id(snapshot: Option<&Value>) -> Result<String> {
    snapshot
        .and_then(|snapshot| snapshot.get("id"))
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(Kind::Failed, "demo", "the snapshot has no id"))
}

impl Story {
    /// The table at the demo's end.
    pub(super) fn table(&self) -> String {
        let mut text = format!("\nKafka {}\n\n", self.kafka);
        let steps: Vec<Vec<String>> = self
            .steps
            .iter()
            .map(|step| vec![step.what.clone(), format!("{:.1} s", step.seconds)])
            .collect();
        text.push_str(&table(&["STEP", "TIME"], &steps));
        let number = |snapshot: &Value, field: &str| snapshot.get(field).and_then(Value::as_u64).unwrap_or_default();
        let rows: Vec<Vec<String>> = self
            .snapshots
            .iter()
            .map(|snapshot| {
                vec![
                    snapshot
                        .get("id")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                    number(snapshot, "partitions").to_string(),
                    bytes(number(snapshot, "logical_bytes")),
                    bytes(number(snapshot, "read_bytes")),
                    bytes(number(snapshot, "new_bytes")),
                    format!("{} ms", number(snapshot, "freeze_ms")),
                    format!("{} ms", number(snapshot, "duration_ms")),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&table(
            &["SNAPSHOT", "PARTITIONS", "HOLDS", "READ", "STORED", "PHASES", "TOOK"],
            &rows,
        ));
        text.push_str(&format!(
            "\ndeduplication  {} on the brokers' disks (all replicas), {} in the repository (both snapshots)\n",
            bytes(self.deduplication.on_brokers_bytes),
            bytes(self.deduplication.in_repository_bytes),
        ));
        text.push_str(&self.proof.text());
        text
    }
}
