//! The agent as a process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A running agent.
pub struct Agent {
    child: Child,
    log: PathBuf,
}

/// Writes an `agent.toml`; `more` goes at the end.
pub fn configure(path: &Path, server_properties: &Path, state_dir: &Path, coordinator: &str, more: &str) {
    let text = format!(
        "coordinator = {coordinator:?}\ninsecure = true\nstate_dir = {state_dir:?}\n[kafka]\nserver_properties = {server_properties:?}\n{more}\n"
    );
    fs::write(path, text).unwrap();
}

impl Agent {
    /// Starts it; what it says goes into a file beside its configuration.
    pub fn start(config: &Path) -> Self {
        let log = config.with_extension("log");
        let stderr = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_maxbrod-agent"))
            .args(["--config", config.to_str().unwrap(), "-v"])
            .env("NO_COLOR", "1")
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// What it said.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// As a crash.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As systemd does. Returns whether it ended well.
    pub fn stop(mut self) -> bool {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().unwrap().success()
    }

    /// Waits for its own end. Returns whether it ended well.
    pub fn wait(mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    /// Processor time that it took so far.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        let ticks: u64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the agent said:\n{}", self.said());
        }
    }
}
