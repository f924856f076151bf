//! Snapshots of a cluster under load while something befalls it, each restored and judged by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use maxbrod_lab::{
    Acknowledged, Action, Client, Cluster, ClusterSpec, LabError, LoadHandle, Moment, NodeId, OldClients, Operator,
    Options, Programs, TopicPartition, TopicSpec, Verdict, Workload, judge_moment,
};
use serde_json::Value;

use crate::{Backup, READY, Scene, target_dir};

/// Transactions of the load time out after 15 s, and coordinators look every few seconds.
const ENDING: Duration = Duration::from_secs(30);

/// What befalls the cluster while a snapshot is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing but the load.
    None,
    /// A broker is killed (SIGKILL) and started again afterwards.
    Kill(NodeId),
    /// A broker is stopped and started again at once.
    Restart(NodeId),
    /// A broker is killed while it holds records that its followers lack: it truncates them when it is back.
    Truncate(NodeId),
    /// Every leader moves.
    MoveLeaders,
    /// A topic is deleted and created again under its name.
    Recreate,
    /// A topic is deleted.
    Delete,
    /// A topic is created.
    Create,
    /// A topic gets more partitions.
    Grow,
    /// A partition moves to other brokers.
    Reassign,
    /// Replicas move to the other log dir of their broker.
    MoveLogDirs,
    /// The oldest records of a topic are deleted.
    DeleteRecords,
    /// A topic's configuration changes: it is compacted from now on.
    Compact,
    /// A partition's leader is elected uncleanly, and loses records.
    ElectUncleanly,
    /// All of these, one right after the other.
    Several(Vec<Fault>),
}

impl Fault {
    /// The topics about which nothing is promised any more once it has struck.
    fn broken(&self) -> Vec<&'static str> {
        match self {
            Self::Recreate => vec!["reborn"],
            Self::Delete => vec!["doomed"],
            Self::ElectUncleanly => vec!["unclean"],
            Self::DeleteRecords => vec!["shortened"],
            Self::Compact => vec!["growing"],
            Self::Several(faults) => faults.iter().flat_map(Self::broken).collect(),
            _ => Vec::new(),
        }
    }
}

/// A snapshot that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its id.
    pub id: String,
    /// When it was asked for, in milliseconds since 1970.
    pub began_ms: i64,
    /// What `snapshot create` said.
    pub created: Value,
    /// What befell the cluster meanwhile.
    pub fault: Fault,
    broken: BTreeSet<String>,
}

impl Taken {
    /// The level that it reached.
    pub fn consistency(&self) -> &str {
        self.created
            .get("consistency")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// How many partitions were cut below what their replicas hold.
    pub fn cut_back(&self) -> usize {
        self.created
            .get("cut_back")
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    }

    /// How long its phases took.
    pub fn freeze_ms(&self) -> u64 {
        self.created
            .get("freeze_ms")
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }
}

/// A cluster under the transactional load, with agents and a coordinator.
#[derive(Debug)]
pub struct Trial {
    /// The cluster.
    pub cluster: Cluster,
    /// maxbrod's programs.
    pub programs: Programs,
    /// What runs on it.
    pub workload: Workload,
    load: Option<LoadHandle>,
    operator: Operator,
    said: PathBuf,
    broken: BTreeSet<String>,
    count: u32,
    begun: Instant,
}

impl Trial {
    /// Boots three combined nodes with two log dirs each, puts the load on, and starts agents and coordinator.
    pub fn begin(scene: &Scene) -> Result<Self, LabError> {
        let begun = Instant::now();
        let mut cluster = scene.boot(ClusterSpec::combined(3).log_dirs(2))?;
        let old = OldClients::obtain(&target_dir())?;
        let workload = Workload::transactional(3, scene.path().join("acknowledged"))
            .with_old_clients(&old)
            .with_share_group();
        cluster.client().create(&workload.setup)?;
        let mut load = cluster.client().load(&workload.load)?;
        load.wait_flowing(READY)?;
        cluster.mark_logs();
        let said = scene.path().join("hooks.jsonl");
        let programs = Backup::plain(scene.path())?.coordinator_settings(&hooks(&said));
        let programs = Backup::start(programs, &cluster)?.programs;
        let operator = cluster.client().operator()?;
        let trial = Self {
            operator,
            said,
            cluster,
            programs,
            workload,
            load: Some(load),
            broken: BTreeSet::new(),
            count: 0,
            begun,
        };
        trial.tell("the load flows");
        Ok(trial)
    }

    /// Says something with the time.
    pub fn tell(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.begun.elapsed().as_secs_f64());
    }

    /// Takes a snapshot, and has a fault strike so long after it was asked for. The cluster is whole again afterwards.
    pub fn snapshot(&mut self, fault: Fault, after: Duration) -> Result<Taken, LabError> {
        self.count += 1;
        let label = format!("{}: {fault:?}", self.count);
        let actions = actions(&self.cluster, &fault)?;
        let created = thread::scope(|scope| {
            let (programs, named) = (&self.programs, label.as_str());
            let creating = scope.spawn(move || programs.maxbrod(&["snapshot", "create", "--wait", "--label", named]));
            thread::sleep(after);
            let struck = strike(&mut self.cluster, &mut self.operator, &fault, &actions);
            let created = creating
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            struck.map(|()| created)
        })?;
        // What was broken before the snapshot was asked for is broken in it; what is broken now may be.
        self.broken.extend(fault.broken().into_iter().map(str::to_owned));
        let broken = self.broken.clone();
        mend(&mut self.cluster, &mut self.operator, &fault)?;
        // Exit code 3: there are gaps, which are named.
        if created.code != 0 && created.code != 3 {
            return Err(LabError::Malformed {
                what: format!("snapshot {label}"),
                reason: format!("exit code {}: {}{}", created.code, created.stdout, created.stderr),
            });
        }
        let id = created
            .json
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let shown = self.programs.maxbrod_ok(&["snapshot", "show", &id])?;
        let taken = Taken {
            began_ms: shown
                .pointer("/times/started")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            id,
            created: created.json,
            fault,
            broken,
        };
        self.tell(&format!(
            "{label}: {}, phases {} ms, {} partitions cut back",
            taken.consistency(),
            taken.freeze_ms(),
            taken.cut_back(),
        ));
        Ok(taken)
    }

    /// What the application's hook was told so far, one document each time.
    pub fn told_to_hooks(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.said).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Puts the same load on the cluster again: the same transactional ids, groups and topics go on.
    pub fn go_on(&mut self, time: Duration) -> Result<(), LabError> {
        let mut load = self.cluster.client().load(&self.workload.load)?;
        load.wait_flowing(READY)?;
        self.load = Some(load);
        thread::sleep(time);
        self.stop_load()
    }

    /// Ends the load. What clients were told is complete then.
    pub fn stop_load(&mut self) -> Result<(), LabError> {
        if let Some(load) = self.load.take() {
            let summary = load.stop()?;
            self.tell(&format!("the load stopped: {:?}", summary.counters));
        }
        Ok(())
    }

    /// Destroys the cluster and brings it back from a snapshot, then judges whether it is one moment of what it was.
    pub fn restore_and_judge(&mut self, scene: &Scene, taken: &Taken) -> Result<Verdict, LabError> {
        self.stop_load()?;
        self.cluster.kill();
        self.cluster.wipe()?;
        self.programs.restore(&self.cluster, &taken.id)?;
        self.cluster.mark_logs();
        self.cluster.start_and_wait(READY)?;
        self.judge(scene, taken)
    }

    /// Judges whether the cluster as it is holds one moment of what it was when the snapshot was taken, and what came after.
    pub fn judge(&self, scene: &Scene, taken: &Taken) -> Result<Verdict, LabError> {
        let client = self.cluster.client();
        let undecided = client.undecided(ENDING)?;
        let dump = client.dump(&scene.path().join("restored.dump"), None)?;
        let description = client.describe()?;
        let verdict = judge_moment(&Moment {
            dump: &dump,
            description: &description,
            acknowledged: &Acknowledged::read(&self.workload.load.acknowledged)?,
            began_ms: taken.began_ms,
            chains: &self.workload.load.chains,
            options: &Options::of(&description),
            broken: &taken.broken,
        });
        self.tell(&format!("{:?}: {} undecided, {verdict}", taken.fault, undecided.len()));
        Ok(verdict)
    }

    /// Stops what still runs.
    pub fn end(mut self) -> Result<(), LabError> {
        self.stop_load()?;
        self.programs.stop_all();
        self.cluster.kill();
        Ok(())
    }
}

/// An application that keeps what it is told.
fn hooks(said: &Path) -> String {
    format!(
        "[[hooks]]\nname = \"application\"\ncommand = [\"/bin/sh\", \"-c\", \"cat >> {0}; echo >> {0}\"]\n\
         moments = [\"start\", \"cut\", \"commit\", \"abort\"]\n",
        said.display()
    )
}

/// What an operator does; nothing for faults that befall processes. Read from the cluster beforehand, so that the blow itself
/// falls when it is meant to.
fn actions(cluster: &Cluster, fault: &Fault) -> Result<Vec<Action>, LabError> {
    let client = cluster.client();
    let topic = |name: &str| TopicSpec::new(name, 2, 3).config("min.insync.replicas", 2);
    Ok(match fault {
        Fault::MoveLeaders => vec![Action::MoveLeaders { topics: None }],
        Fault::Recreate => vec![Action::RecreateTopic(topic("reborn"))],
        Fault::Delete => vec![Action::DeleteTopic { topic: "doomed".into() }],
        Fault::Create => vec![Action::CreateTopic(topic("newcomer"))],
        Fault::Grow => {
            let total = client.partitions("growing")?.len() + 1;
            vec![Action::AddPartitions {
                topic: "growing".into(),
                total: i32::try_from(total).unwrap_or(i32::MAX),
            }]
        }
        Fault::Reassign => vec![Action::Reassign {
            topic: "documents".into(),
            partition: 0,
            replicas: other_replicas(&client, "documents")?,
        }],
        Fault::MoveLogDirs => moves_of_log_dirs(cluster)?,
        Fault::DeleteRecords => vec![Action::DeleteRecords {
            topic: "shortened".into(),
            keep: 10,
        }],
        Fault::Compact => vec![Action::SetConfig {
            topic: "growing".into(),
            configs: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
        }],
        Fault::Several(faults) => {
            let each: Result<Vec<_>, _> = faults.iter().map(|fault| actions(cluster, fault)).collect();
            each?.concat()
        }
        Fault::None | Fault::Kill(_) | Fault::Restart(_) | Fault::Truncate(_) | Fault::ElectUncleanly => Vec::new(),
    })
}

fn strike(cluster: &mut Cluster, operator: &mut Operator, fault: &Fault, actions: &[Action]) -> Result<(), LabError> {
    for action in actions {
        operator.change(action)?;
    }
    befall(cluster, fault)
}

/// What befalls processes.
fn befall(cluster: &mut Cluster, fault: &Fault) -> Result<(), LabError> {
    match fault {
        Fault::Several(faults) => faults.iter().try_for_each(|fault| befall(cluster, fault)),
        Fault::Kill(node) => cluster.kill_node(*node),
        Fault::Restart(node) => {
            cluster.stop_node(*node)?;
            cluster.start_node(*node)
        }
        Fault::Truncate(node) => cluster.kill_with_unreplicated_tail(*node, Duration::from_millis(1_000)),
        Fault::ElectUncleanly => cluster.elect_uncleanly(
            &TopicPartition {
                topic: "unclean".into(),
                partition: 0,
            },
            Duration::from_secs(1),
        ),
        _ => Ok(()),
    }
}

/// Two of the three brokers for a topic's first partition, its leader not among them.
fn other_replicas(client: &Client, topic: &str) -> Result<Vec<NodeId>, LabError> {
    let described = client.partitions(topic)?;
    let leader = described.first().and_then(|partition| partition.leader).unwrap_or(1);
    Ok((1..=3).filter(|node| *node != leader).collect())
}

/// Each of a broker's replicas of a topic to the broker's other log dir.
fn moves_of_log_dirs(cluster: &Cluster) -> Result<Vec<Action>, LabError> {
    let node = cluster.node(2)?;
    let other = |partition: i32| {
        let name = format!("stage-2-{partition}");
        node.log_dirs.iter().find(move |dir| !dir.join(&name).exists())
    };
    let moves = (0..3).filter_map(|partition| {
        Some(Action::MoveLogDir {
            topic: "stage-2".into(),
            partition,
            broker: node.id,
            log_dir: other(partition)?.clone(),
        })
    });
    Ok(moves.collect())
}

fn mend(cluster: &mut Cluster, operator: &mut Operator, fault: &Fault) -> Result<(), LabError> {
    match fault {
        Fault::Kill(node) | Fault::Truncate(node) => cluster.start_node(*node)?,
        Fault::Reassign | Fault::MoveLogDirs => {
            operator.change(&Action::AwaitMoves { seconds: 60 })?;
        }
        Fault::Several(faults) => return faults.iter().try_for_each(|fault| mend(cluster, operator, fault)),
        _ => {}
    }
    cluster.wait_ready(READY)
}
