//! A Kafka cluster on loopback.

mod copy;
mod faults;
mod log;
mod node;
mod ports;
mod properties;
mod spec;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

pub use self::log::LogProblem;
pub use self::node::Node;
pub(crate) use self::ports::free_ports;
pub use self::spec::{ClusterSpec, NodeId, NodeSpec, Role, Voters};
use crate::client::{Client, Format, Tool};
use crate::distribution::Distribution;
use crate::error::{LabError, Result};

/// How long a node may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(60);

/// Nodes, each with its directory under the cluster's, as child processes that end with it.
#[derive(Debug)]
pub struct Cluster {
    spec: ClusterSpec,
    cluster_id: String,
    tool: Tool,
    nodes: Vec<Node>,
}

impl Cluster {
    /// Lays out a cluster under `work_dir`: ports, a server.properties for each node, formatted log dirs. Starts nothing.
    ///
    /// # Errors
    ///
    /// The specification is impossible, directories cannot be written, or Kafka's StorageTool fails.
    pub fn create(spec: ClusterSpec, distribution: &Distribution, work_dir: &Path) -> Result<Self> {
        spec.check()?;
        fs::create_dir_all(work_dir).map_err(|error| LabError::io("creating", work_dir, error))?;
        let work_dir = std::path::absolute(work_dir).map_err(|error| LabError::io("resolving", work_dir, error))?;
        let tool = Tool::compile(distribution, &work_dir)?;
        let cluster_id = match &spec.cluster_id {
            Some(id) => id.clone(),
            None => tool.random_uuid()?,
        };
        let cluster = Self::lay_out(spec, cluster_id, tool, &work_dir)?;
        cluster.format()?;
        Ok(cluster)
    }

    /// Makes directories, finds ports and writes configurations; formats nothing.
    fn lay_out(spec: ClusterSpec, cluster_id: String, tool: Tool, work_dir: &Path) -> Result<Self> {
        let mut nodes: Vec<Node> = spec
            .nodes
            .iter()
            .map(|node| {
                Node::new(
                    node.id,
                    node.role,
                    node.log_dirs,
                    &work_dir.join(format!("node-{}", node.id)),
                )
            })
            .collect();
        let mut ports = free_ports(2 * nodes.len())?.into_iter();
        for node in &mut nodes {
            node.broker_port = ports.next().filter(|_| node.role.is_broker());
            node.controller_port = ports.next().filter(|_| node.role.is_controller());
        }
        for node in &nodes {
            node.create_log_dirs()?;
            fs::write(
                &node.server_properties,
                properties::server_properties(node, &nodes, &spec),
            )
            .map_err(|error| LabError::io("writing", &node.server_properties, error))?;
        }
        Ok(Self {
            spec,
            cluster_id,
            tool,
            nodes,
        })
    }

    /// The cluster id.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// What the cluster was laid out by.
    pub fn spec(&self) -> &ClusterSpec {
        &self.spec
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The ids of all nodes.
    pub fn node_ids(&self) -> Vec<NodeId> {
        self.nodes.iter().map(|node| node.id).collect()
    }

    /// One node.
    ///
    /// # Errors
    ///
    /// There is no node with that id.
    pub fn node(&self, id: NodeId) -> Result<&Node> {
        self.nodes.iter().find(|node| node.id == id).ok_or_else(|| unknown(id))
    }

    fn node_mut(&mut self, id: NodeId) -> Result<&mut Node> {
        self.nodes
            .iter_mut()
            .find(|node| node.id == id)
            .ok_or_else(|| unknown(id))
    }

    /// `bootstrap.servers` for clients.
    pub fn bootstrap_servers(&self) -> String {
        let ports = self.nodes.iter().filter_map(|node| node.broker_port);
        ports
            .map(|port| format!("127.0.0.1:{port}"))
            .collect::<Vec<_>>()
            .join(",")
    }

    /// A client of this cluster.
    pub fn client(&self) -> Client {
        Client::new(self.tool.clone(), self.bootstrap_servers())
    }

    /// Starts all nodes that don't run. Returns at once; [`Self::wait_ready`] waits.
    ///
    /// # Errors
    ///
    /// Java cannot be started.
    pub fn start(&mut self) -> Result<()> {
        for id in self.node_ids() {
            if !self.node_mut(id)?.is_running() {
                self.start_node(id)?;
            }
        }
        Ok(())
    }

    /// Starts one node.
    ///
    /// # Errors
    ///
    /// It runs already, or Java cannot be started.
    pub fn start_node(&mut self, id: NodeId) -> Result<()> {
        let mut command = self
            .tool
            .node_command(&self.node(id)?.server_properties, self.spec.heap_mib);
        self.node_mut(id)?.start(&mut command)
    }

    /// Stops all nodes cleanly, brokers before controllers.
    ///
    /// # Errors
    ///
    /// Some did not end within a minute and were killed.
    pub fn stop(&mut self) -> Result<()> {
        let mut killed = Vec::new();
        // A broker that stops asks the quorum to move its leaders away, so the controllers outlive it.
        for brokers in [true, false] {
            for node in self.nodes.iter_mut().filter(|node| node.role.is_broker() == brokers) {
                node.signal(Signal::SIGTERM);
            }
            let deadline = Instant::now() + STOP;
            for node in self.nodes.iter_mut().filter(|node| node.role.is_broker() == brokers) {
                if !node.wait_ended(deadline.saturating_duration_since(Instant::now())) {
                    killed.push(node.id);
                    end_at_once(node);
                }
            }
        }
        if killed.is_empty() {
            Ok(())
        } else {
            Err(not_stopped(&killed))
        }
    }

    /// Stops one node cleanly.
    ///
    /// # Errors
    ///
    /// It did not end within a minute and was killed.
    pub fn stop_node(&mut self, id: NodeId) -> Result<()> {
        let node = self.node_mut(id)?;
        node.signal(Signal::SIGTERM);
        if node.wait_ended(STOP) {
            return Ok(());
        }
        end_at_once(node);
        Err(not_stopped(&[id]))
    }

    /// Kills all nodes as a power cut would.
    pub fn kill(&mut self) {
        for node in &mut self.nodes {
            node.signal(Signal::SIGKILL);
        }
        for node in &mut self.nodes {
            node.wait_ended(STOP);
        }
    }

    /// Kills one node.
    ///
    /// # Errors
    ///
    /// There is no node with that id.
    pub fn kill_node(&mut self, id: NodeId) -> Result<()> {
        end_at_once(self.node_mut(id)?);
        Ok(())
    }

    /// Waits until every broker is registered and unfenced, and every partition has a leader and all its replicas in sync.
    ///
    /// # Errors
    ///
    /// [`LabError::TimedOut`] with what was missing; a node's process ended.
    pub fn wait_ready(&mut self, timeout: Duration) -> Result<()> {
        let brokers = self.nodes.iter().filter(|node| node.role.is_broker()).count();
        let waited = self.client().wait_ready(brokers, timeout);
        for node in &mut self.nodes {
            if !node.is_running() {
                let log = log::lines_since(&node.log_file, node.marked).unwrap_or_default();
                let reason = format!("its process ended; the end of its log:\n{}", crate::process::tail(&log));
                return Err(LabError::NodeState { node: node.id, reason });
            }
        }
        waited
    }

    /// Starts all nodes and waits until they are ready.
    ///
    /// # Errors
    ///
    /// Those of [`Self::start`] and [`Self::wait_ready`].
    pub fn start_and_wait(&mut self, timeout: Duration) -> Result<()> {
        self.start()?;
        self.wait_ready(timeout)
    }

    /// Remembers where the nodes' logs end now; [`Self::log_problems`] begins there.
    pub fn mark_logs(&mut self) {
        for node in &mut self.nodes {
            node.marked = fs::metadata(&node.log_file).map_or(0, |log| log.len());
        }
    }

    /// The warnings and errors that a node logged since the mark, Kafka's own start-up races left out.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn log_problems(&self, id: NodeId) -> Result<Vec<LogProblem>> {
        Ok(log::problems(&self.log_since_mark(id)?))
    }

    /// All that a node logged since the mark.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn log_since_mark(&self, id: NodeId) -> Result<String> {
        let node = self.node(id)?;
        log::lines_since(&node.log_file, node.marked)
    }

    /// Deletes everything in all log dirs.
    ///
    /// # Errors
    ///
    /// A node runs, or a directory cannot be removed.
    pub fn wipe(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(Node::wipe)
    }

    /// Deletes everything in one node's log dirs.
    ///
    /// # Errors
    ///
    /// The node runs, or a directory cannot be removed.
    pub fn wipe_node(&mut self, id: NodeId) -> Result<()> {
        self.node_mut(id)?.wipe()
    }

    /// Formats the (empty) log dirs of all nodes as at creation, with the same cluster id.
    ///
    /// # Errors
    ///
    /// Kafka's StorageTool fails.
    pub fn format(&self) -> Result<()> {
        self.tool.format(&Format {
            cluster_id: self.cluster_id.clone(),
            dynamic: self.spec.voters == Voters::Dynamic,
            eligible_leader_replicas: self.spec.eligible_leader_replicas,
            controllers: self
                .nodes
                .iter()
                .filter_map(|node| Some((node.id, node.controller_port?)))
                .collect(),
            nodes: self
                .nodes
                .iter()
                .map(|node| (node.server_properties.clone(), node.role.is_controller()))
                .collect(),
        })
    }

    /// Directories of all nodes: what a total loss takes away.
    pub fn all_log_dirs(&self) -> Vec<PathBuf> {
        self.nodes.iter().flat_map(|node| node.log_dirs.clone()).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}

fn end_at_once(node: &mut Node) {
    node.signal(Signal::SIGKILL);
    node.wait_ended(STOP);
}

fn not_stopped(nodes: &[NodeId]) -> LabError {
    LabError::TimedOut {
        what: format!("nodes {nodes:?} to stop"),
        waited: STOP,
        detail: "they were killed".into(),
    }
}

fn unknown(id: NodeId) -> LabError {
    LabError::NodeState {
        node: id,
        reason: "there is no such node in this cluster".into(),
    }
}
