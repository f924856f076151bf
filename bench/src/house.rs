//! maxbrod's own programs around a node that lies still: repository, coordinator, one agent.

use std::path::{Path, PathBuf};

use maxbrod_lab::Programs;
use maxbrod_repository::Identities;
use serde_json::Value;

use crate::error::{BenchError, Result};
use crate::node_disk::NodeDisk;
use crate::scene::Scene;

/// The agent's name among the programs.
pub(crate) const AGENT: &str = "agent";

/// An encrypted repository and the programs that fill it.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) programs: Programs,
    pub(crate) repository: PathBuf,
}

impl House {
    /// Makes the repository in `directory`. Nothing runs yet. The coordinator is told of which cluster it is.
    pub(crate) fn new(scene: &Scene, directory: &Path, cluster_id: &str) -> Result<Self> {
        let repository = directory.join("repository");
        let url = format!("file://{}", repository.display());
        let (operator, coordinator) = (directory.join("operator.key"), directory.join("coordinator.key"));
        let identity = |path: &Path| {
            Identities::generate_file(path)
                .map(|recipient| recipient.to_string())
                .map_err(|error| BenchError::Unexpected(error.to_string()))
        };
        let recipients = (identity(&operator)?, identity(&coordinator)?);
        let programs = Programs::new(&scene.bin, &directory.join("maxbrod"), &url)?
            .encrypted(&operator, &coordinator)
            .coordinator_settings(&format!(
                "cluster_id = \"{cluster_id}\"
"
            ));
        programs.maxbrod_ok(&[
            "init",
            "--recipient",
            &recipients.0,
            "--coordinator-recipient",
            &recipients.1,
        ])?;
        Ok(Self { programs, repository })
    }

    /// Starts coordinator and agent, and waits until they know each other.
    pub(crate) fn start(&mut self, disk: &NodeDisk) -> Result<()> {
        self.programs.start_coordinator()?;
        self.programs.start_agent_by(AGENT, &disk.server_properties)?;
        Ok(self.programs.wait_for_agents(1)?)
    }

    /// Takes a snapshot and waits for its commit.
    pub(crate) fn snapshot(&self) -> Result<Value> {
        Ok(self.programs.snapshot("bench")?)
    }
}

/// A number in a document.
pub(crate) fn number(document: &Value, field: &str) -> Result<u64> {
    document
        .get(field)
        .and_then(Value::as_u64)
        .ok_or_else(|| BenchError::Unexpected(format!("there is no {field} in {document}")))
}
