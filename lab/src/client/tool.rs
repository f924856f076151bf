//! The Java programs, compiled against a distribution's jars.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{self as std_process, Command};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::distribution::Distribution;
use crate::error::{LabError, Result};
use crate::process;

const SOURCES: &[(&str, &str)] = &[
    (
        "Acknowledgements.java",
        include_str!("../../java/Acknowledgements.java"),
    ),
    ("Change.java", include_str!("../../java/Change.java")),
    ("Clients.java", include_str!("../../java/Clients.java")),
    ("Create.java", include_str!("../../java/Create.java")),
    ("Describe.java", include_str!("../../java/Describe.java")),
    ("Dump.java", include_str!("../../java/Dump.java")),
    ("Format.java", include_str!("../../java/Format.java")),
    ("Hash.java", include_str!("../../java/Hash.java")),
    ("Lab.java", include_str!("../../java/Lab.java")),
    ("Load.java", include_str!("../../java/Load.java")),
    ("Ready.java", include_str!("../../java/Ready.java")),
    ("Records.java", include_str!("../../java/Records.java")),
    ("SchemaWorker.java", include_str!("../../java/SchemaWorker.java")),
    ("ShareWorker.java", include_str!("../../java/ShareWorker.java")),
    ("Smoke.java", include_str!("../../java/Smoke.java")),
    ("Undecided.java", include_str!("../../java/Undecided.java")),
    ("Workers.java", include_str!("../../java/Workers.java")),
];
const NODE_LOGGING: &str = include_str!("../../java/log4j2-node.xml");
const CLIENT_LOGGING: &str = include_str!("../../java/log4j2-client.xml");
const COMPILING: Duration = Duration::from_secs(300);
/// Serial collector and the first compiler only: the processes share few cores and none lives long.
const SMALL: &[&str] = &[
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Xss512k",
];

/// The compiled programs and what runs them.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    distribution: Distribution,
    classes: PathBuf,
}

/// What to format.
#[derive(Debug, Serialize)]
pub(crate) struct Format {
    pub(crate) cluster_id: String,
    pub(crate) dynamic: bool,
    pub(crate) eligible_leader_replicas: bool,
    /// Id and port of each.
    pub(crate) controllers: Vec<(i32, u16)>,
    /// Configuration of each, and whether it is a controller.
    pub(crate) nodes: Vec<(PathBuf, bool)>,
}

impl Tool {
    /// Compiles the programs beside the jars, or under `work_dir` where the distribution cannot be written to, once.
    pub(crate) fn compile(distribution: &Distribution, work_dir: &Path) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        (SOURCES, NODE_LOGGING, CLIENT_LOGGING, distribution.version()).hash(&mut hasher);
        let name = format!("lab-{:016x}", hasher.finish());
        let beside = distribution.libs().parent().map(|parent| parent.join(&name));
        for classes in beside.into_iter().chain([work_dir.join(&name)]) {
            if !classes.is_dir() && compile_into(distribution, &classes)?.is_none() {
                continue;
            }
            return Ok(Self {
                distribution: distribution.clone(),
                classes,
            });
        }
        Err(LabError::io(
            "writing",
            work_dir,
            std::io::ErrorKind::PermissionDenied.into(),
        ))
    }

    /// Runs a program with `request` and reads its answer.
    pub(crate) fn ask<A: DeserializeOwned>(
        &self,
        program: &str,
        request: &impl Serialize,
        timeout: Duration,
    ) -> Result<A> {
        let printed = process::run(&mut self.command(program), program, &line(program, request)?, timeout)?;
        let answer = printed.lines().last().unwrap_or_default();
        serde_json::from_str(answer)
            .map_err(|error| LabError::malformed(format!("answer of {program}"), format!("{error}: {answer}")))
    }

    /// A client program, to be given its request by [`line`].
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.java("log4j2-client.xml", 400);
        command.args(["Lab", program]);
        command
    }

    /// A client program on other jars of Kafka's client.
    pub(crate) fn command_on(&self, client_jars: &Path, program: &str) -> Command {
        let mut class_path = client_jars.join("*").into_os_string();
        class_path.push(":");
        class_path.push(self.distribution.class_path(Some(&self.classes)));
        let mut command = self.java_on(&class_path, "log4j2-client.xml", 200);
        command.args(["Lab", program]);
        command
    }

    /// A node; it ends when its standard input closes.
    pub(crate) fn node_command(&self, server_properties: &Path, heap_mib: u32) -> Command {
        let mut command = self.java("log4j2-node.xml", heap_mib);
        command.args(["Lab", "node"]).arg(server_properties);
        command
    }

    pub(crate) fn random_uuid(&self) -> Result<String> {
        self.ask("uuid", &(), Duration::from_secs(60))
    }

    pub(crate) fn format(&self, format: &Format) -> Result<()> {
        self.ask("format", format, Duration::from_secs(120))
    }

    fn java(&self, logging: &str, heap_mib: u32) -> Command {
        self.java_on(&self.distribution.class_path(Some(&self.classes)), logging, heap_mib)
    }

    fn java_on(&self, class_path: &OsStr, logging: &str, heap_mib: u32) -> Command {
        let mut command = Command::new(self.distribution.java().java());
        command
            .args(SMALL)
            .args(["-Xms64m".to_owned(), format!("-Xmx{heap_mib}m")]);
        command.arg(format!(
            "-Dlog4j2.configurationFile={}",
            self.classes.join(logging).display()
        ));
        command.arg("-cp").arg(class_path);
        command
    }
}

/// A request as the one line that the programs read.
pub(crate) fn line(program: &str, request: &impl Serialize) -> Result<String> {
    serde_json::to_string(request)
        .map(|json| json + "\n")
        .map_err(|error| LabError::malformed(format!("request to {program}"), error.to_string()))
}

/// Compiles into `classes`, which appears complete or not at all; `None` where nothing can be written.
fn compile_into(distribution: &Distribution, classes: &Path) -> Result<Option<()>> {
    let arriving = classes.with_extension(format!("{}.arriving", std_process::id()));
    if fs::create_dir_all(&arriving).is_err() {
        return Ok(None);
    }
    let files = SOURCES
        .iter()
        .copied()
        .chain([("log4j2-node.xml", NODE_LOGGING), ("log4j2-client.xml", CLIENT_LOGGING)]);
    for (name, text) in files {
        let path = arriving.join(name);
        fs::write(&path, text).map_err(|error| LabError::io("writing", path, error))?;
    }
    let mut javac = Command::new(distribution.java().javac());
    javac
        .args(["-nowarn", "-proc:none", "-d"])
        .arg(&arriving)
        .arg("-cp")
        .arg(distribution.class_path(None));
    javac.args(SOURCES.iter().map(|(name, _)| arriving.join(name)));
    process::run(&mut javac, "compiling lab/java", "", COMPILING)?;
    if fs::rename(&arriving, classes).is_err() {
        // Another process was quicker.
        let _ = fs::remove_dir_all(&arriving);
    }
    Ok(classes.is_dir().then_some(()))
}
