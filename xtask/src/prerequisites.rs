//! What has to be on the machine: installed where this may be done, named where not.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use maxbrod_lab::{Distribution, Java, LabError, OldClients};

use crate::run::{is_there, run};
use crate::workspace;

const VERSITYGW: &str = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";
/// The first that a release of Debian or Ubuntu has.
const JAVA: [&str; 2] = ["openjdk-21-jdk-headless", "openjdk-17-jdk-headless"];

/// What tests are told about by environment variables. Tests that need one are marked as ignored.
pub(crate) struct Prepared {
    kafka: Distribution,
    /// Kafka's jars and what was compiled against them.
    class_path: OsString,
    versitygw: Option<PathBuf>,
}

impl Prepared {
    /// The environment variables that say where things are.
    pub(crate) fn variables(&self) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![
            ("MAXBROD_KAFKA", self.kafka.libs().into()),
            ("MAXBROD_KAFKA_CLASSPATH", self.class_path.clone()),
        ];
        variables.extend(self.versitygw.clone().map(|path| ("MAXBROD_VERSITYGW", path.into())));
        variables
    }

    /// Tells whether the package's ignored tests find all they need.
    pub(crate) fn suffices(&self, package: &str) -> bool {
        package != "repository" || self.versitygw.is_some()
    }
}

/// Java, Maven and Kafka's jars, clients older than the brokers, and an independent S3 server where it can be built.
pub(crate) fn for_tests() -> Result<Prepared, String> {
    let kafka = kafka()?;
    old_clients()?;
    let class_path = fixture_programs(&kafka)?;
    let versitygw = match versitygw() {
        Ok(path) => Some(path),
        Err(reason) => {
            eprintln!("WARNING: tests against the independent S3 server versitygw are SKIPPED: {reason}");
            None
        }
    };
    Ok(Prepared {
        kafka,
        class_path,
        versitygw,
    })
}

/// Compiles the programs by which Kafka's own classes read what maxbrod wrote.
fn fixture_programs(kafka: &Distribution) -> Result<OsString, String> {
    let mut jars = kafka.libs().join("*").into_os_string();
    let classes = std::path::absolute(workspace::target().join("kafka").join("fixtures"))
        .map_err(|error| format!("resolving the target directory: {error}"))?;
    std::fs::create_dir_all(&classes).map_err(|error| format!("making {}: {error}", classes.display()))?;
    let source = workspace::root().join("kafka/tests/fixtures/java/Checkpoints.java");
    let mut javac = Command::new(kafka.java().javac());
    run(javac
        .args(["-nowarn", "-proc:none", "-d"])
        .arg(&classes)
        .arg("-cp")
        .arg(&jars)
        .arg(source))?;
    jars.push(":");
    jars.push(&classes);
    Ok(jars)
}

/// Java and Kafka's jars: those that `MAXBROD_KAFKA` names, or fetched by Maven into the target directory.
pub(crate) fn kafka() -> Result<Distribution, String> {
    if !is_there("cc", "--version") {
        install(&["build-essential"])?;
    }
    if let Err(reason) = Java::find() {
        eprintln!("{reason}");
        let found = JAVA
            .into_iter()
            .find(|package| is_there("apt-cache", "--version") && is_in_apt(package));
        install(&[found.unwrap_or(JAVA[1])])?;
    }
    let installation = std::env::var_os("MAXBROD_KAFKA").map(PathBuf::from);
    let mut obtained = Distribution::obtain(installation.as_deref(), &workspace::target());
    if let Err(LabError::ProgramMissing { program, .. }) = &obtained
        && program == "mvn"
    {
        install(&["maven"])?;
        obtained = Distribution::obtain(installation.as_deref(), &workspace::target());
    }
    obtained.map_err(|error| error.to_string())
}

/// A client on librdkafka and an older one of Java's, whose transactions are of version 0 or 1; tests find them in the target
/// directory.
fn old_clients() -> Result<(), String> {
    let mut obtained = OldClients::obtain(&workspace::target());
    if let Err(LabError::ProgramMissing { program, .. }) = &obtained
        && program == "librdkafka"
    {
        install(&["librdkafka-dev"])?;
        obtained = OldClients::obtain(&workspace::target());
    }
    obtained.map(drop).map_err(|error| error.to_string())
}

/// Builds versitygw by Go, once.
fn versitygw() -> Result<PathBuf, String> {
    let tools = std::path::absolute(workspace::tools()).map_err(|error| error.to_string())?;
    let executable = tools.join("versitygw");
    if executable.is_file() {
        return Ok(executable);
    }
    if !is_there("go", "version") {
        install(&["golang-go"])?;
    }
    run(Command::new("go")
        .args(["install", VERSITYGW])
        .env("GOBIN", &tools)
        .env("CGO_ENABLED", "0"))?;
    Ok(executable)
}

/// Installs Debian packages as root, or says how.
fn install(packages: &[&str]) -> Result<(), String> {
    let line = format!("apt-get install -y {}", packages.join(" "));
    if !is_there("apt-get", "--version") {
        return Err(format!(
            "install what Debian calls {} and run this again",
            packages.join(" ")
        ));
    }
    if !is_root() {
        return Err(format!("run this first: sudo {line}"));
    }
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    run(Command::new("apt-get")
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

fn is_in_apt(package: &str) -> bool {
    // Prints nothing and succeeds for a package that it does not know.
    Command::new("apt-cache")
        .args(["policy", package])
        .output()
        .is_ok_and(|output| {
            let printed = String::from_utf8_lossy(&output.stdout);
            printed
                .lines()
                .any(|line| line.trim_start().starts_with("Candidate:") && !line.contains("(none)"))
        })
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
