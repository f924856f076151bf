//! The command line, as it is typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Snapshots of a whole Kafka cluster, taken from the brokers' disks, and the way back.
///
/// Exit codes: 0 done; 1 failed; 2 wrong usage; 3 incomplete (what is missing is said); 4 integrity failure.
#[derive(Debug, Parser)]
#[command(name = "maxbrod", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The repository: file:///path or s3://bucket/prefix (credentials from the AWS_* variables, AWS_ENDPOINT_URL for other
    /// S3 servers).
    #[arg(long, global = true, env = "MAXBROD_REPOSITORY", value_name = "URL")]
    pub repository: Option<String>,
    /// The coordinator, for example https://host:7420.
    #[arg(long, global = true, env = "MAXBROD_COORDINATOR", value_name = "URL")]
    pub coordinator: Option<String>,
    /// The age identity that opens an encrypted repository.
    #[arg(long, global = true, env = "MAXBROD_IDENTITY", value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// The Kafka cluster's id; needed only where a repository holds more than one.
    #[arg(long, global = true, env = "MAXBROD_CLUSTER", value_name = "ID")]
    pub cluster: Option<String>,
    /// CA certificate that the coordinator's certificate is checked against.
    #[arg(long, global = true, env = "MAXBROD_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// This operator's certificate.
    #[arg(
        long,
        global = true,
        env = "MAXBROD_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(
        long,
        global = true,
        env = "MAXBROD_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
    /// Print one JSON document on standard output; progress and logs go to standard error.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more; twice for debugging.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a repository.
    Init(Init),
    /// Take, list and check snapshots.
    #[command(subcommand)]
    Snapshot(Snapshot),
    /// Rebuild brokers from a snapshot.
    #[command(subcommand)]
    Restore(Restore),
    /// Ask a running coordinator about its cluster.
    #[command(subcommand)]
    Cluster(Cluster),
    /// Look after the repository.
    #[command(subcommand)]
    Repository(Repository),
    /// Read the journal, which is the audit trail.
    #[command(subcommand)]
    Audit(Audit),
    /// Boot a three-broker cluster on this machine, put load on it, snapshot it, destroy it, restore it, and prove what came back.
    Demo(Demo),
    /// Print a shell's completion script.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page; with --dir, write one page for each command.
    Man {
        /// Write the pages into this directory.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub struct Init {
    /// An age recipient (age1…) who can read backups. May be given several times.
    #[arg(
        long,
        value_name = "AGE",
        required_unless_present = "no_encryption",
        conflicts_with = "no_encryption"
    )]
    pub recipient: Vec<String>,
    /// The age recipient of the coordinator: can read manifests, but no data.
    #[arg(long, value_name = "AGE", requires = "recipient")]
    pub coordinator_recipient: Vec<String>,
    /// Store everything readable for whoever can read the bucket.
    #[arg(long)]
    pub no_encryption: bool,
}

#[derive(Debug, Subcommand)]
pub enum Snapshot {
    /// Take a snapshot of the whole cluster now.
    Create(SnapshotCreate),
    /// List the snapshots in the repository.
    List,
    /// Show what a snapshot holds.
    Show {
        /// The snapshot's id, or `latest`.
        id: String,
        /// Also list every partition with its cut.
        #[arg(long)]
        partitions: bool,
    },
    /// Check that a snapshot can be restored.
    Verify {
        /// The snapshot's id, or `latest`.
        id: String,
        /// How deep to look.
        #[arg(long, value_enum, default_value_t = VerifyLevel::Presence)]
        level: VerifyLevel,
    },
    /// End the running snapshot without a commit.
    Cancel,
}

#[derive(Args, Debug)]
pub struct SnapshotCreate {
    /// Wait until it is committed (or failed), and show progress.
    #[arg(long)]
    pub wait: bool,
    /// A note to find it by.
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub label: String,
    /// The level that it must reach, or it fails; without this option what coordinator.toml asks for.
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub require_consistency: Option<Consistency>,
}

/// How well the partitions of a snapshot fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Consistency {
    /// Each partition is what all its in-sync replicas held; between partitions nothing is promised.
    CrashConsistent,
    /// No transaction is torn and no group is past its data, but for what the report names.
    BestEffort,
    /// No transaction is torn and no group is past its data.
    Transactional,
}

impl Consistency {
    /// The name in manifests and in the contract with the coordinator.
    pub fn name(self) -> &'static str {
        match self {
            Self::CrashConsistent => "crash-consistent",
            Self::BestEffort => "best-effort",
            Self::Transactional => "transactional",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyLevel {
    /// Every manifest node reads, matches its hash, and is complete.
    Structure,
    /// And every pack is there, as long as it must be.
    Presence,
    /// And every chunk is read and matches its id.
    Full,
}

#[derive(Debug, Subcommand)]
pub enum Restore {
    /// Decide everything about a restore, and show it. Nothing is written but the plan.
    Plan(RestorePlan),
    /// Write one node's directories.
    Apply(RestoreApply),
}

#[derive(Args, Clone, Debug)]
pub struct PlanOptions {
    /// Only these nodes. May be given several times.
    #[arg(long = "node", value_name = "N")]
    pub nodes: Vec<i32>,
    /// Put a node's directory elsewhere. May be given several times.
    #[arg(long = "map", value_name = "N:OLD=NEW")]
    pub maps: Vec<String>,
    /// Let retention delete restored data as soon as the brokers start.
    #[arg(long)]
    pub no_hold_retention: bool,
    /// Restore partitions empty that the snapshot should hold and does not.
    #[arg(long)]
    pub accept_gaps: bool,
}

#[derive(Args, Debug)]
pub struct RestorePlan {
    /// The snapshot's id, or `latest`.
    #[arg(long, value_name = "ID")]
    pub snapshot: String,
    #[command(flatten)]
    pub options: PlanOptions,
    /// Write the plan here, for `restore apply --plan`.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct RestoreApply {
    /// The node to restore on this host.
    #[arg(long, value_name = "N")]
    pub node: i32,
    /// A plan made by `restore plan --out`.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "snapshot",
        conflicts_with = "snapshot"
    )]
    pub plan: Option<PathBuf>,
    /// Plan and apply at once: the snapshot's id, or `latest`.
    #[arg(long, value_name = "ID")]
    pub snapshot: Option<String>,
    /// Put a directory of this node elsewhere. May be given several times.
    #[arg(long = "map", value_name = "N:OLD=NEW", conflicts_with = "plan")]
    pub maps: Vec<String>,
    /// Let retention delete restored data as soon as the brokers start.
    #[arg(long, conflicts_with = "plan")]
    pub no_hold_retention: bool,
    /// Restore partitions empty that the snapshot should hold and does not.
    #[arg(long, conflicts_with = "plan")]
    pub accept_gaps: bool,
    /// Give the files to this user (USER or USER:GROUP, by number).
    #[arg(long, value_name = "UID[:GID]")]
    pub owner: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Cluster {
    /// What the coordinator knows and does.
    Status,
    /// The agents, one a line.
    Agents,
}

#[derive(Debug, Subcommand)]
pub enum Repository {
    /// Prove that the store keeps its word about conditional writes, and that the repository can be opened.
    Check,
    /// Print what garbage collection would remove. Nothing is removed.
    Gc,
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Print the journal.
    Show,
    /// Check the journal's hash chain.
    Verify,
}

#[derive(Args, Debug)]
pub struct Demo {
    /// Work here instead of in a temporary directory.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Keep the directory afterwards.
    #[arg(long)]
    pub keep: bool,
    /// A Kafka distribution (or the directory with its jars); otherwise Maven fetches one.
    #[arg(long, env = "MAXBROD_KAFKA", value_name = "DIR")]
    pub kafka: Option<PathBuf>,
}
