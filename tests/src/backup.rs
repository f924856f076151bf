//! A cluster under backup.

use std::path::Path;

use maxbrod_lab::{Cluster, ClusterDescription, Cuts, Dump, LabError, Programs};
use maxbrod_repository::Identities;
use serde_json::Value;

use crate::profile_dir;

/// A coordinator and an agent for each node, running.
#[derive(Debug)]
pub struct Backup {
    /// The programs.
    pub programs: Programs,
}

/// A snapshot, and the truth about the cluster that it is of.
#[derive(Debug)]
pub struct Snapshot {
    /// What `snapshot create` printed.
    pub created: Value,
    /// Its id.
    pub id: String,
    /// When it was asked for, in milliseconds since 1970.
    pub began_ms: i64,
    /// Where it cut each partition.
    pub cuts: Cuts,
    /// The cluster after the load had ended.
    pub description: ClusterDescription,
    /// Every record of it.
    pub dump: Dump,
}

impl Backup {
    /// Makes a repository in a folder of the test's directory, encrypted for an operator and a coordinator.
    pub fn encrypted(directory: &Path) -> Result<Programs, LabError> {
        let (operator, coordinator) = (directory.join("operator.key"), directory.join("coordinator.key"));
        let identity = |path: &Path| {
            Identities::generate_file(path)
                .map(|recipient| recipient.to_string())
                .map_err(|error| LabError::Malformed {
                    what: path.display().to_string(),
                    reason: error.to_string(),
                })
        };
        let (recipient, coordinator_recipient) = (identity(&operator)?, identity(&coordinator)?);
        let url = format!("file://{}", directory.join("repository").display());
        let programs =
            Programs::new(&profile_dir(), &directory.join("maxbrod"), &url)?.encrypted(&operator, &coordinator);
        programs.maxbrod_ok(&[
            "init",
            "--recipient",
            &recipient,
            "--coordinator-recipient",
            &coordinator_recipient,
        ])?;
        Ok(programs)
    }

    /// Makes a repository that is not encrypted in a folder of the test's directory.
    pub fn plain(directory: &Path) -> Result<Programs, LabError> {
        let url = format!("file://{}", directory.join("repository").display());
        let programs = Programs::new(&profile_dir(), &directory.join("maxbrod"), &url)?;
        programs.maxbrod_ok(&["init", "--no-encryption"])?;
        Ok(programs)
    }

    /// Starts the coordinator and all agents.
    pub fn start(mut programs: Programs, cluster: &Cluster) -> Result<Self, LabError> {
        programs.start_coordinator()?;
        for node in cluster.nodes() {
            programs.start_agent(node)?;
        }
        programs.wait_for_agents(cluster.nodes().len())?;
        Ok(Self { programs })
    }

    /// Takes a snapshot.
    pub fn create(&self, label: &str) -> Result<Value, LabError> {
        self.programs.snapshot(label)
    }

    /// Reads every record and every setting of the cluster, which must not be written to any more.
    pub fn remember(&self, created: Value, cluster: &Cluster, file: &Path) -> Result<Snapshot, LabError> {
        let id = created.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let client = cluster.client();
        let shown = self.programs.maxbrod_ok(&["snapshot", "show", &id])?;
        Ok(Snapshot {
            began_ms: shown
                .pointer("/times/started")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            cuts: self.programs.cuts(&id)?,
            description: client.describe()?,
            dump: client.dump(file, None)?,
            created,
            id,
        })
    }
}
