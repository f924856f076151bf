//! Copies of a running cluster's log dirs at different times: what volume snapshots give.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::Cluster;
use super::spec::{ClusterSpec, Voters};
use crate::error::{LabError, Result};
use crate::process;

const COPYING: Duration = Duration::from_secs(60);

impl Cluster {
    /// Copies one log dir after the other, `skew` apart, into a second cluster under `work_dir` with the same nodes and settings
    /// on other ports, which is returned and not started.
    ///
    /// A node is suspended while one of its log dirs is copied, so that each copy by itself is a state that the volume had: as
    /// with volume snapshots, only the moments differ. Where every node holds every partition on one volume, a copy can be one
    /// moment by luck: at the start Kafka fences all brokers, and the last one to register leads everything. Two log dirs
    /// leave it none.
    ///
    /// Stop this cluster before the copy is started: both claim to be the same.
    ///
    /// # Errors
    ///
    /// Voters are dynamic: their ports are part of the metadata log. Directories cannot be read or written.
    pub fn copy_naively(&mut self, skew: Duration, work_dir: &Path) -> Result<Self> {
        if self.spec.voters == Voters::Dynamic {
            return Err(LabError::Specification {
                reason: "a copy with dynamic voters would look for them on the original's ports".into(),
            });
        }
        let work_dir = std::path::absolute(work_dir).map_err(|error| LabError::io("resolving", work_dir, error))?;
        let spec = ClusterSpec {
            cluster_id: Some(self.cluster_id.clone()),
            ..self.spec.clone()
        };
        let copy = Self::lay_out(spec, self.cluster_id.clone(), self.tool.clone(), &work_dir)?;
        let mut pause = Duration::ZERO;
        for id in self.node_ids() {
            let source = self.node(id)?.log_dirs.clone();
            for (from, to) in source.iter().zip(&copy.node(id)?.log_dirs) {
                thread::sleep(pause);
                pause = skew;
                self.suspend_node(id)?;
                let copied = copy_tree(from, to);
                self.resume_node(id)?;
                copied?;
            }
        }
        Ok(copy)
    }
}

/// Copies what is in a directory; index files are mostly holes, which stay holes.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(|error| LabError::io("creating", to, error))?;
    let mut cp = Command::new("cp");
    cp.args(["--archive", "--sparse=auto", "--reflink=auto"])
        .arg(from.join("."))
        .arg(to);
    process::run(&mut cp, &format!("copying {}", from.display()), "", COPYING).map(drop)
}
