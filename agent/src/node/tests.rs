use std::path::{Path, PathBuf};

use maxbrod_kafka::{DirectoryId, Role, Uuid};
use tempfile::TempDir;

use super::Node;
use crate::config::{Config, ConfigError};

/// A formatted node with two log dirs.
struct Disk {
    root: TempDir,
}

impl Disk {
    fn new() -> Self {
        let disk = Self {
            root: tempfile::tempdir().unwrap(),
        };
        disk.format("d1", "cluster", 4, 1);
        disk.format("d2", "cluster", 4, 2);
        let dirs = format!("{},{}", disk.path("d1").display(), disk.path("d2").display());
        disk.write(
            "server.properties",
            &format!("process.roles=broker,controller\nnode.id=4\nlog.dirs={dirs}\nlog.segment.bytes=1048576\n"),
        );
        disk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn format(&self, name: &str, cluster: &str, node: i32, directory: u8) {
        std::fs::create_dir_all(self.path(name)).unwrap();
        let id = DirectoryId(Uuid([directory; 16]));
        let text = format!("version=1\ncluster.id={cluster}\nnode.id={node}\ndirectory.id={id}\n");
        self.write(&format!("{name}/meta.properties"), &text);
    }

    fn read(&self) -> Result<Node, ConfigError> {
        let text = format!(
            "coordinator = \"http://127.0.0.1:1\"\ninsecure = true\nstate_dir = \"/nowhere\"\n[kafka]\nserver_properties = {:?}\n",
            self.path("server.properties")
        );
        Node::read(&Config::parse(&text, Path::new("/etc/maxbrod/agent.toml")).unwrap())
    }

    /// The refusal's code and message.
    fn refusal(&self) -> (&'static str, String) {
        let error = self.read().expect_err("must be refused");
        (error.code(), error.to_string())
    }
}

#[test]
fn a_node_is_what_its_files_say() {
    let node = Disk::new().read().unwrap();
    assert_eq!((node.cluster_id.0.as_str(), node.node_id.0), ("cluster", 4));
    assert_eq!(node.roles, [Role::Broker, Role::Controller]);
    assert_eq!(node.log_dirs.len(), 2);
    assert_eq!(node.metadata_log_dir.id, node.log_dirs[0].id);
    assert_eq!(node.settings["log.segment.bytes"], "1048576");
}

#[test]
fn a_controller_has_no_partitions() {
    let disk = Disk::new();
    let dir = disk.path("d1").display().to_string();
    disk.write(
        "server.properties",
        &format!("process.roles=controller\nnode.id=4\nlog.dirs={dir}\n"),
    );
    let node = disk.read().unwrap();
    assert!(node.log_dirs.is_empty());
    assert_eq!(node.metadata_log_dir.path, disk.path("d1"));
}

#[test]
fn server_properties_without_log_dirs_are_refused() {
    let disk = Disk::new();
    disk.write("server.properties", "process.roles=broker\nnode.id=4\n");
    let (code, message) = disk.refusal();
    assert_eq!(code, "server-properties");
    assert!(
        message.contains("log.dirs") && message.contains("server.properties") && message.contains("kafka.log_dirs"),
        "{message}"
    );
}

#[test]
fn a_log_dir_of_another_node_is_refused() {
    let disk = Disk::new();
    disk.format("d2", "cluster", 5, 2);
    let (code, message) = disk.refusal();
    assert_eq!(code, "log-dir-foreign");
    assert!(
        message.contains("d2/meta.properties") && message.contains("node.id is 5") && message.contains("says 4"),
        "{message}"
    );
}

#[test]
fn a_log_dir_of_another_cluster_is_refused() {
    let disk = Disk::new();
    disk.format("d2", "elsewhere", 4, 2);
    let (code, message) = disk.refusal();
    assert_eq!(code, "log-dir-foreign");
    assert!(
        message.contains("cluster.id is elsewhere") && message.contains("d1/meta.properties"),
        "{message}"
    );
}

#[test]
fn a_copied_log_dir_is_refused() {
    let disk = Disk::new();
    disk.format("d2", "cluster", 4, 1);
    assert_eq!(disk.refusal().0, "log-dir-duplicate");
}

#[test]
fn an_unformatted_log_dir_is_refused() {
    let disk = Disk::new();
    std::fs::remove_file(disk.path("d2/meta.properties")).unwrap();
    let (code, message) = disk.refusal();
    assert_eq!(code, "log-dir-not-formatted");
    assert!(
        message.contains("d2/meta.properties") && message.contains("kafka-storage.sh format"),
        "{message}"
    );
}

#[test]
fn a_missing_log_dir_is_named() {
    let disk = Disk::new();
    std::fs::remove_dir_all(disk.path("d2")).unwrap();
    let (code, message) = disk.refusal();
    assert_eq!(code, "log-dir-unreadable");
    assert!(message.contains("d2") && message.contains("log.dirs"), "{message}");
}

#[test]
fn damaged_meta_properties_are_named() {
    let disk = Disk::new();
    disk.write("d1/meta.properties", "version=7\n");
    let (code, message) = disk.refusal();
    assert_eq!(code, "meta-properties");
    assert!(
        message.contains("d1/meta.properties") && message.contains("version"),
        "{message}"
    );
}
