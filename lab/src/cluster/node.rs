//! One node: its directories, its files, its process.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::spec::{NodeId, Role};
use crate::error::{LabError, Result};
use crate::process;

/// A node of a cluster of the lab.
#[derive(Debug)]
pub struct Node {
    /// Its `node.id`.
    pub id: NodeId,
    /// What it does.
    pub role: Role,
    /// Its log dirs, in the order of its configuration. The metadata log lives in the first.
    pub log_dirs: Vec<PathBuf>,
    /// Its configuration file.
    pub server_properties: PathBuf,
    /// What it logs, over all its starts.
    pub log_file: PathBuf,
    /// Where clients reach it, if it is a broker.
    pub broker_port: Option<u16>,
    /// Where the quorum reaches it, if it is a controller.
    pub controller_port: Option<u16>,
    pub(super) marked: u64,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// Its closing ends the node, so that nothing outlives a killed test.
    _stdin: Option<ChildStdin>,
}

impl Node {
    pub(super) fn new(id: NodeId, role: Role, log_dirs: usize, directory: &Path) -> Self {
        Self {
            id,
            role,
            log_dirs: (0..log_dirs)
                .map(|number| directory.join(format!("data-{number}")))
                .collect(),
            server_properties: directory.join("server.properties"),
            log_file: directory.join("server.log"),
            broker_port: None,
            controller_port: None,
            marked: 0,
            process: None,
        }
    }

    /// Where its `__cluster_metadata-0` is.
    pub fn metadata_log_dir(&self) -> Option<&Path> {
        self.log_dirs.first().map(PathBuf::as_path)
    }

    /// The pid of its process while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    /// Tells whether its process runs, and forgets one that ended by itself.
    pub fn is_running(&mut self) -> bool {
        if let Some(process) = &mut self.process
            && !matches!(process.child.try_wait(), Ok(None))
        {
            self.process = None;
        }
        self.process.is_some()
    }

    pub(super) fn start(&mut self, command: &mut Command) -> Result<()> {
        if self.is_running() {
            return Err(LabError::NodeState {
                node: self.id,
                reason: "it runs already".into(),
            });
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log_file)
            .map_err(|error| LabError::io("opening", &self.log_file, error))?;
        let errors = log
            .try_clone()
            .map_err(|error| LabError::io("opening", &self.log_file, error))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| process::missing(&command.get_program().to_string_lossy(), &error))?;
        let stdin = child.stdin.take();
        self.process = Some(Process { child, _stdin: stdin });
        Ok(())
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        // The pid is ours until it has been waited for.
        if self.is_running()
            && let Some(pid) = self.pid().and_then(|pid| i32::try_from(pid).ok())
        {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Waits until the process has ended; false when it still runs after `timeout`.
    pub(super) fn wait_ended(&mut self, timeout: Duration) -> bool {
        let ended = self
            .process
            .as_mut()
            .is_none_or(|process| process::wait(&mut process.child, timeout).is_some());
        if ended {
            self.process = None;
        }
        ended
    }

    pub(super) fn create_log_dirs(&self) -> Result<()> {
        self.log_dirs
            .iter()
            .try_for_each(|path| fs::create_dir_all(path).map_err(|error| LabError::io("creating", path, error)))
    }

    pub(super) fn wipe(&mut self) -> Result<()> {
        if self.is_running() {
            return Err(LabError::NodeState {
                node: self.id,
                reason: "its data can only be wiped while it is down".into(),
            });
        }
        for path in &self.log_dirs {
            match fs::remove_dir_all(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(LabError::io("removing", path, error)),
                _ => {}
            }
        }
        self.create_log_dirs()
    }
}
