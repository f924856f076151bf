//! maxbrod's own programs, run as an operator would run them against a cluster of the lab.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::cluster::{Cluster, Node, NodeId, free_ports};
use crate::compare::Cuts;
use crate::error::{LabError, Result};
use crate::partition::TopicPartition;
use crate::process;

const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(20);
const IDLE: Duration = Duration::from_secs(180);

/// A repository, a coordinator and agents, with their directories and configuration files.
#[derive(Debug)]
pub struct Programs {
    /// Where the executables are.
    bin: PathBuf,
    /// Where state, configuration and logs of the programs lie.
    directory: PathBuf,
    repository: String,
    port: u16,
    http_port: u16,
    /// Variables of every program's environment, such as a store's credentials.
    variables: BTreeMap<String, String>,
    encryption: Option<Encryption>,
    /// Lines added to coordinator.toml, before its tables.
    coordinator_settings: String,
    running: BTreeMap<String, Child>,
}

#[derive(Debug)]
struct Encryption {
    operator_identity: PathBuf,
    coordinator_identity: PathBuf,
}

/// How a `maxbrod` command ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code.
    pub code: i32,
    /// What it printed, if that was a JSON document.
    pub json: Value,
    /// Standard output as it was.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Programs {
    /// Takes the executables in `bin`, a directory to work in, and the repository's URL.
    pub fn new(bin: &Path, directory: &Path, repository: &str) -> Result<Self> {
        fs::create_dir_all(directory).map_err(|error| LabError::io("creating", directory, error))?;
        let ports = free_ports(2)?;
        let port = |index: usize| ports.get(index).copied().unwrap_or_default();
        Ok(Self {
            bin: bin.to_owned(),
            directory: directory.to_owned(),
            repository: repository.to_owned(),
            port: port(0),
            http_port: port(1),
            variables: BTreeMap::new(),
            encryption: None,
            coordinator_settings: String::new(),
            running: BTreeMap::new(),
        })
    }

    /// Sets a variable of every program's environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds lines to coordinator.toml; tables come last.
    #[must_use]
    pub fn coordinator_settings(mut self, lines: &str) -> Self {
        self.coordinator_settings = lines.to_owned();
        self
    }

    /// Gives the identities of an encrypted repository: the operator's and the coordinator's.
    #[must_use]
    pub fn encrypted(mut self, operator_identity: &Path, coordinator_identity: &Path) -> Self {
        self.encryption = Some(Encryption {
            operator_identity: operator_identity.to_owned(),
            coordinator_identity: coordinator_identity.to_owned(),
        });
        self
    }

    /// The coordinator's URL.
    pub fn coordinator_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What a program of this set has logged.
    pub fn log(&self, program: &str) -> String {
        fs::read_to_string(self.directory.join(format!("{program}.log"))).unwrap_or_default()
    }

    /// Starts the coordinator and waits until it listens.
    pub fn start_coordinator(&mut self) -> Result<()> {
        let mut text = format!(
            "listen = \"127.0.0.1:{}\"\nhttp_listen = \"127.0.0.1:{}\"\nrepository = \"{}\"\nstate_dir = \"{}\"\ninsecure = true\n",
            self.port,
            self.http_port,
            self.repository,
            self.directory.join("coordinator").display(),
        );
        if let Some(encryption) = &self.encryption {
            text.push_str(&format!(
                "identity = \"{}\"\n",
                encryption.coordinator_identity.display()
            ));
        }
        text.push_str(&self.coordinator_settings);
        let config = self.write("coordinator.toml", &text)?;
        self.spawn("coordinator", "maxbrod-coordinator", &config)?;
        let deadline = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if Instant::now() > deadline || !self.is_running("coordinator") {
                return Err(LabError::TimedOut {
                    what: "the coordinator to listen".into(),
                    waited: START,
                    detail: self.log("coordinator"),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Starts a node's agent.
    pub fn start_agent(&mut self, node: &Node) -> Result<()> {
        self.start_agent_by(&agent_name(node.id), &node.server_properties)
    }

    /// Starts an agent by a configuration of one's own; `name` is the program's from then on.
    pub fn start_agent_by(&mut self, name: &str, server_properties: &Path) -> Result<()> {
        let text = format!(
            "coordinator = \"{}\"\nstate_dir = \"{}\"\ninsecure = true\n[kafka]\nserver_properties = \"{}\"\n",
            self.coordinator_url(),
            self.directory.join(name).display(),
            server_properties.display(),
        );
        let config = self.write(&format!("{name}.toml"), &text)?;
        self.spawn(name, "maxbrod-agent", &config)
    }

    /// Waits until a program has logged `text`.
    pub fn wait_for_log(&self, program: &str, text: &str) -> Result<()> {
        let deadline = Instant::now() + START;
        while !self.log(program).contains(text) {
            if Instant::now() > deadline {
                return Err(LabError::TimedOut {
                    what: format!("{program} to log {text:?}"),
                    waited: START,
                    detail: self.log(program),
                });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Waits until `count` agents are connected.
    pub fn wait_for_agents(&self, count: usize) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            let agents = self.maxbrod(&["cluster", "agents"])?;
            let connected = agents.json.as_array().map_or(0, |list| {
                list.iter()
                    .filter(|agent| agent.get("state").and_then(Value::as_str) == Some("connected"))
                    .count()
            });
            if connected >= count {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(LabError::TimedOut {
                    what: format!("{count} agents to connect"),
                    waited: START,
                    detail: format!("{}\n{}", agents.stdout, agents.stderr),
                });
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs a `maxbrod` command with `--json` and tells how it ended, whatever its exit code.
    pub fn maxbrod(&self, arguments: &[&str]) -> Result<Finished> {
        self.maxbrod_with(arguments, &[])
    }

    /// Runs a `maxbrod` command with other variables than the rest of the programs.
    pub fn maxbrod_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Finished> {
        let (executable, mut command) = self.command(arguments);
        command.envs(variables.iter().copied());
        let output = command
            .output()
            .map_err(|error| process::missing(&executable.to_string_lossy(), &error))?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Finished {
            code: output.status.code().unwrap_or(-1),
            json: serde_json::from_str(&stdout).unwrap_or(Value::Null),
            stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts a `maxbrod` command and does not wait for it.
    pub fn maxbrod_process(&self, arguments: &[&str]) -> Result<Child> {
        let (executable, mut command) = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
            .spawn()
            .map_err(|error| process::missing(&executable.to_string_lossy(), &error))
    }

    fn command(&self, arguments: &[&str]) -> (PathBuf, Command) {
        let executable = self.bin.join("maxbrod");
        let mut command = Command::new(&executable);
        command.args(arguments).arg("--json").stdin(Stdio::null());
        command
            .env("MAXBROD_REPOSITORY", &self.repository)
            .env("MAXBROD_COORDINATOR", self.coordinator_url());
        command.envs(&self.variables);
        if let Some(encryption) = &self.encryption {
            command.env("MAXBROD_IDENTITY", &encryption.operator_identity);
        }
        (executable, command)
    }

    /// Waits until no snapshot is under way.
    pub fn wait_until_idle(&self) -> Result<()> {
        let deadline = Instant::now() + IDLE;
        loop {
            let status = self.maxbrod(&["cluster", "status"])?;
            if status.code == 0 && status.json.get("stage").is_some_and(Value::is_null) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(LabError::TimedOut {
                    what: "the running snapshot to end".into(),
                    waited: IDLE,
                    detail: format!("{}\n{}", status.stdout, status.stderr),
                });
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs a `maxbrod` command that must end with exit code 0, and returns its document.
    pub fn maxbrod_ok(&self, arguments: &[&str]) -> Result<Value> {
        let finished = self.maxbrod(arguments)?;
        if finished.code != 0 {
            return Err(LabError::ProcessFailed {
                action: format!("running maxbrod {}", arguments.join(" ")),
                program: "maxbrod".into(),
                status: format!("exit code {}", finished.code),
                output: format!("{}{}", finished.stdout, finished.stderr),
            });
        }
        Ok(finished.json)
    }

    /// Takes a snapshot and waits for its commit; returns what the command prints.
    pub fn snapshot(&self, label: &str) -> Result<Value> {
        self.maxbrod_ok(&["snapshot", "create", "--wait", "--label", label])
    }

    /// Where a snapshot cut each partition.
    pub fn cuts(&self, snapshot: &str) -> Result<Cuts> {
        let shown = self.maxbrod_ok(&["snapshot", "show", snapshot, "--partitions"])?;
        let partitions = shown
            .get("partition_list")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        partitions
            .iter()
            .map(|row| {
                let topic = row.get("topic").and_then(Value::as_str)?;
                let partition = i32::try_from(row.get("partition")?.as_i64()?).ok()?;
                Some((TopicPartition::new(topic, partition), row.get("cut")?.as_i64()?))
            })
            .collect::<Option<Cuts>>()
            .ok_or_else(|| {
                LabError::malformed("snapshot show --partitions", "a partition without topic, number or cut")
            })
    }

    /// Plans the restore of a whole snapshot and applies it to every node of the cluster, one after the other. Returns the plan.
    pub fn restore(&self, cluster: &Cluster, snapshot: &str) -> Result<PathBuf> {
        let plan = self.directory.join(format!("plan-{snapshot}.json"));
        let path = plan.to_string_lossy().into_owned();
        self.maxbrod_ok(&["restore", "plan", "--snapshot", snapshot, "--out", &path])?;
        for node in cluster.node_ids() {
            self.maxbrod_ok(&["restore", "apply", "--plan", &path, "--node", &node.to_string()])?;
        }
        Ok(plan)
    }

    /// Whether a program of this set runs: `coordinator`, or `agent-N`.
    pub fn is_running(&mut self, program: &str) -> bool {
        self.running
            .get_mut(program)
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The pid of a program of this set while it has not been waited for.
    pub fn pid(&self, program: &str) -> Option<u32> {
        self.running.get(program).map(Child::id)
    }

    /// Ends a program as systemd would; kills it when it takes too long. Returns whether it ended by itself.
    pub fn stop(&mut self, program: &str) -> bool {
        let Some(mut child) = self.running.remove(program) else {
            return true;
        };
        signal(&child, Signal::SIGTERM);
        let ended = process::wait(&mut child, STOP).is_some();
        if !ended {
            let _ = child.kill();
            let _ = child.wait();
        }
        ended
    }

    /// Kills a program where it stands.
    pub fn kill(&mut self, program: &str) {
        if let Some(mut child) = self.running.remove(program) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends all programs, agents first.
    pub fn stop_all(&mut self) {
        let names: Vec<String> = self.running.keys().cloned().collect();
        for name in names {
            self.stop(&name);
        }
    }

    fn spawn(&mut self, name: &str, program: &str, config: &Path) -> Result<()> {
        let path = self.directory.join(format!("{name}.log"));
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| LabError::io("opening", &path, error))?;
        let errors = log.try_clone().map_err(|error| LabError::io("opening", &path, error))?;
        let executable = self.bin.join(program);
        let child = Command::new(&executable)
            .arg("--config")
            .arg(config)
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| process::missing(&executable.to_string_lossy(), &error))?;
        self.running.insert(name.to_owned(), child);
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        File::create(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| LabError::io("writing", &path, error))?;
        Ok(path)
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.stop_all();
    }
}

/// The name of a node's agent among the programs.
pub fn agent_name(node: NodeId) -> String {
    format!("agent-{node}")
}

fn signal(child: &Child, signal: Signal) {
    // The pid is ours until it has been waited for.
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}
