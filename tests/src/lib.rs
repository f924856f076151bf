//! What end-to-end tests start from: a real cluster, and maxbrod's own executables beside it.
//!
//! `cargo xtask test` builds the executables first; on its own: `cargo build && cargo test -p maxbrod-tests`.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use maxbrod_lab::{
    Acknowledged, Cluster, ClusterDescription, ClusterSpec, Distribution, LabError, Options, Report, compare,
    missing_acknowledged,
};

mod backup;
pub mod tour;
mod trial;

pub use backup::{Backup, Snapshot};
pub use trial::{Fault, Taken, Trial};

/// How long a cluster may take to become ready on a busy machine.
pub const READY: Duration = Duration::from_secs(180);

/// A directory of its own for one test, and the Kafka to use.
#[derive(Debug)]
pub struct Scene {
    directory: tempfile::TempDir,
    distribution: Distribution,
}

impl Scene {
    /// Finds Kafka (`MAXBROD_KAFKA`, or Maven) and makes a directory.
    pub fn new() -> Result<Self, LabError> {
        let kafka = std::env::var_os("MAXBROD_KAFKA").map(PathBuf::from);
        let distribution = Distribution::obtain(kafka.as_deref(), &target_dir())?;
        let directory = tempfile::Builder::new()
            .prefix("maxbrod-test-")
            .tempdir()
            .map_err(|source| LabError::Io {
                action: "making",
                path: std::env::temp_dir(),
                source,
            })?;
        Ok(Self {
            directory,
            distribution,
        })
    }

    /// The test's directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The Kafka to use.
    pub fn distribution(&self) -> &Distribution {
        &self.distribution
    }

    /// Boots a cluster and waits until it is ready.
    pub fn boot(&self, spec: ClusterSpec) -> Result<Cluster, LabError> {
        let mut cluster = Cluster::create(spec, &self.distribution, &self.path().join("cluster"))?;
        cluster.start_and_wait(READY)?;
        Ok(cluster)
    }
}

/// Where cargo puts what it builds.
fn target_dir() -> PathBuf {
    profile_dir()
        .parent()
        .map_or_else(|| PathBuf::from("target"), Path::to_owned)
}

/// Where the executables are.
pub fn profile_dir() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    // Tests lie in a folder of their own there.
    let folder = executable.parent().filter(|folder| !folder.ends_with("deps"));
    folder
        .or(executable.ancestors().nth(2))
        .map_or_else(|| PathBuf::from("target/debug"), Path::to_owned)
}

/// Dumps the cluster again and compares it with what it was when it was backed up. What was acknowledged before the snapshot was
/// asked for must be there, in transactions and outside of them.
pub fn judge(
    cluster: &Cluster,
    before: &Snapshot,
    file: &Path,
    acknowledged: Option<&Path>,
) -> Result<Report, LabError> {
    let restored = cluster.client().dump(file, None)?;
    let options = Options::of(&before.description);
    let mut report = compare(&before.dump, &restored, &before.cuts, &options);
    if let Some(path) = acknowledged {
        let acknowledged = Acknowledged::read(path)?;
        let missing = missing_acknowledged(&restored, &acknowledged, before.began_ms, &options);
        report.problems.extend(missing);
    }
    Ok(report)
}

/// What of a cluster's identity differs from the original's, beyond the retention that a restore holds back.
pub fn identity_differences(before: &ClusterDescription, after: &ClusterDescription) -> Vec<String> {
    before
        .without_retention()
        .identity_differences(&after.without_retention())
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The warnings and errors that any node has logged since the cluster's logs were marked.
pub fn log_problems(cluster: &Cluster) -> Result<Vec<String>, LabError> {
    let mut problems = Vec::new();
    for node in cluster.node_ids() {
        problems.extend(
            cluster
                .log_problems(node)?
                .iter()
                .map(|problem| format!("node {node}: {problem}")),
        );
    }
    Ok(problems)
}
