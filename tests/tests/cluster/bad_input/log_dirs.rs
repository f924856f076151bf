//! Log dirs that cannot be read, are mounts of their own, or are full.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use maxbrod_lab::{Client, Cluster, ClusterSpec, Codec, LabError, Programs, Setup, TopicSpec, Workload};
use maxbrod_tests::{Backup, READY, Scene, profile_dir};
use serde_json::{Value, json};

use super::mount::Mount;

/// Nobody's number on Debian and its kin.
const NOBODY: &str = "65534";
const MIB: u64 = 1 << 20;

/// Writes an agent's configuration; `limits` are lines of that table.
fn configure(directory: &Path, coordinator: &str, properties: &Path, limits: &str) -> PathBuf {
    let config = directory.join("own-agent.toml");
    let text = format!(
        "coordinator = \"{coordinator}\"\nstate_dir = \"{}\"\ninsecure = true\n[kafka]\nserver_properties = \"{}\"\n\
         [limits]\n{limits}",
        directory.join("own-agent").display(),
        properties.display()
    );
    fs::write(&config, text).unwrap();
    config
}

/// The agent's program, where everybody may read it: what cargo builds into may be root's alone.
fn program(directory: &Path) -> PathBuf {
    let program = directory.join("maxbrod-agent");
    if !program.exists() {
        fs::copy(profile_dir().join("maxbrod-agent"), &program).unwrap();
    }
    program
}

/// An agent that should not start: how it ends.
fn agent(directory: &Path, properties: &Path, user: Option<&str>) -> Output {
    let config = configure(directory, "http://127.0.0.1:1", properties, "");
    let mut command = Command::new("setpriv");
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command
        .arg(program(directory))
        .arg("--config")
        .arg(&config)
        .output()
        .unwrap()
}

/// An agent that reads a MiB a second, so that there is time to see it work.
struct SlowAgent(Child, PathBuf);

impl SlowAgent {
    fn start(directory: &Path, coordinator: &str, properties: &Path) -> Self {
        let config = configure(directory, coordinator, properties, "read_bytes_per_second = \"1MiB\"\n");
        let path = directory.join("slow-agent.log");
        let log = fs::File::create(&path).unwrap();
        let mut command = Command::new(program(directory));
        command.arg("--config").arg(config).stdin(Stdio::null()).stderr(log);
        Self(command.spawn().unwrap(), path)
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.1).unwrap()
    }
}

impl Drop for SlowAgent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An agent that ended at once with the exit code of wrong configuration, naming this.
fn refused(ended: &Output, code: &str, named: &str, remedy: &str) {
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    for part in [&format!("[{code}]"), named, remedy] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

fn without_log_dirs(directory: &Path, properties: &Path) -> PathBuf {
    let text: String = fs::read_to_string(properties)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("log.dir"))
        .map(|line| format!("{line}\n"))
        .collect();
    let path = directory.join("without-log-dirs.properties");
    fs::write(&path, text).unwrap();
    path
}

fn pin_methods(programs: &Programs) -> Result<Vec<Value>, LabError> {
    let agents = programs.maxbrod_ok(&["cluster", "agents"])?;
    let dirs = agents.pointer("/0/log_dirs").and_then(Value::as_array).cloned();
    Ok(dirs
        .unwrap_or_default()
        .iter()
        .map(|dir| dir["pin_method"].clone())
        .collect())
}

fn boot(scene: &Scene) -> Result<(Cluster, Mount), LabError> {
    let mut cluster = Cluster::create(
        ClusterSpec::combined(1).log_dirs(2),
        scene.distribution(),
        &scene.path().join("cluster"),
    )?;
    let mount = Mount::under(&cluster.node(1)?.log_dirs[1], 128);
    cluster.start_and_wait(READY)?;
    let topics = vec![TopicSpec::new("orders", 6, 1)];
    cluster.client().create(&Setup {
        topics,
        ..Setup::default()
    })?;
    Ok((cluster, mount))
}

#[test]
fn what_is_wrong_with_a_log_dir_is_said_and_the_snapshot_after_its_repair_is_whole() -> Result<(), LabError> {
    let scene = Scene::new()?;
    fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (mut cluster, mount) = boot(&scene)?;
    let client = cluster.client();
    let (properties, dirs) = (
        cluster.node(1)?.server_properties.clone(),
        cluster.node(1)?.log_dirs.clone(),
    );
    let named = |dir: &Path| dir.display().to_string();

    let none = without_log_dirs(scene.path(), &properties);
    refused(
        &agent(scene.path(), &none, None),
        "server-properties",
        "log.dirs",
        &named(&none),
    );
    fs::set_permissions(&dirs[0], fs::Permissions::from_mode(0o700)).unwrap();
    refused(
        &agent(scene.path(), &properties, Some(NOBODY)),
        "log-dir-unreadable",
        &named(&dirs[0]),
        "Kafka's user",
    );
    fs::set_permissions(&dirs[0], fs::Permissions::from_mode(0o755)).unwrap();
    let covered = Mount::over(&dirs[0], 1);
    refused(
        &agent(scene.path(), &properties, None),
        "log-dir-not-formatted",
        &named(&dirs[0]),
        "format",
    );
    drop(covered);

    // A mount of its own has no place beside it for links.
    client.smoke(&["orders".to_owned()], 1)?;
    let mut programs = Backup::plain(scene.path())?;
    nothing_is_known_before_an_agent_connects(&mut programs)?;
    let backup = Backup::start(programs, &cluster)?;
    assert_eq!(pin_methods(&backup.programs)?, [json!("link"), json!("descriptor")]);
    assert!(backup.programs.log("agent-1").contains("is a mount of its own"));
    let first = backup.create("on two mounts")?;
    assert_eq!(first["gaps"], json!([]), "{first:#}");

    // Full while it is read: the broker comes first.
    let mut programs = backup.programs;
    programs.stop("agent-1");
    write(&client, scene.path())?;
    let slow = SlowAgent::start(scene.path(), &programs.coordinator_url(), &properties);
    programs.wait_for_agents(1)?;
    let ballast = dirs[1].join("ballast");
    let failed = std::thread::scope(|scope| {
        let asked = scope.spawn(|| programs.maxbrod(&["snapshot", "create", "--wait"]));
        wait_for_pins(&programs)?;
        fill(&ballast, &dirs[1], 4 * MIB);
        asked.join().unwrap()
    })?;
    super::refused(&failed, 1, "partition-not-shipped", &named(&dirs[1]));
    assert!(failed.stdout.contains("make room there"), "{}", failed.stdout);
    assert!(slow.log().contains("its pins are dropped"), "{}", slow.log());
    assert_eq!(
        programs.maxbrod_ok(&["snapshot", "list"])?.as_array().map(Vec::len),
        Some(1),
        "nothing is half committed"
    );
    client.smoke(&["orders".to_owned()], 1)?;
    fs::remove_file(&ballast).unwrap();
    drop(slow);

    // With room again it is whole, and only what was not stored yet is read.
    programs.start_agent(cluster.node(1)?)?;
    programs.wait_for_agents(1)?;
    let second = programs.snapshot("with room again")?;
    assert_eq!(second["gaps"], json!([]), "{second:#}");
    programs.maxbrod_ok(&["snapshot", "verify", "latest", "--level", "full"])?;
    programs.stop_all();
    cluster.stop()?;
    drop(mount);
    Ok(())
}

fn nothing_is_known_before_an_agent_connects(programs: &mut Programs) -> Result<(), LabError> {
    programs.start_coordinator()?;
    let status = programs.maxbrod_ok(&["cluster", "status"])?;
    for unknown in [
        "cluster_id",
        "epoch",
        "open_run",
        "base_snapshot",
        "metadata_offset",
        "metadata_epoch",
    ] {
        assert_eq!(status.get(unknown), Some(&Value::Null), "{unknown}: {status:#}");
    }
    let create = programs.maxbrod(&["snapshot", "create"])?;
    super::refused(&create, 1, "no-cluster", "start maxbrod-agent");
    assert!(
        create.json["error"]["remedy"]
            .as_str()
            .unwrap()
            .contains("start maxbrod-agent")
    );
    programs.stop("coordinator");
    Ok(())
}

/// Writes some 20 MB.
fn write(client: &Client, directory: &Path) -> Result<(), LabError> {
    let mut load = Workload::standard(1, directory.join("acknowledged")).load;
    load.transactional.clear();
    load.chains.clear();
    load.compacted.clear();
    load.groups.clear();
    load.delete_records.clear();
    load.plain.truncate(1);
    for producer in &mut load.plain {
        producer.topic = "orders".to_owned();
        producer.codec = Codec::None;
    }
    (load.records_per_second, load.value_bytes, load.seconds) = (4_000, 1_000, Some(5));
    client.load(&load)?.wait(READY)?;
    Ok(())
}

/// Waits until the agent holds pins.
fn wait_for_pins(programs: &Programs) -> Result<(), LabError> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let agents = programs.maxbrod_ok(&["cluster", "agents"])?;
        if agents.pointer("/0/pinned_files").and_then(Value::as_u64) > Some(0) {
            return Ok(());
        }
        assert!(Instant::now() < deadline, "nothing is pinned: {agents:#}");
        sleep(Duration::from_millis(100));
    }
}

/// Fills the file system of a directory until only so much is free.
fn fill(ballast: &Path, directory: &Path, free: u64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut size = 0;
    loop {
        let left = available(directory);
        if left <= free {
            return;
        }
        assert!(Instant::now() < deadline, "{} does not fill", directory.display());
        size += left - free;
        fs::write(ballast, vec![1; usize::try_from(size).unwrap()]).unwrap();
        sleep(Duration::from_millis(10));
    }
}

fn available(directory: &Path) -> u64 {
    let output = Command::new("df")
        .args(["-B1", "--output=avail"])
        .arg(directory)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().nth(1).unwrap().trim().parse().unwrap()
}
