//! Kafka's jars: fetched by Maven, or of an existing installation.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{LabError, Result};
use crate::java::Java;
use crate::process;

/// log4j 2 is what brokers of 4.x log through; the server's own POM does not name it.
const LOG4J: &str = "2.25.3";
const TIMEOUT: Duration = Duration::from_secs(600);
/// The jar whose name tells the version.
const SERVER_JAR: &str = "kafka_2.13-";

/// A directory of jars that a broker and its clients run from.
#[derive(Clone, Debug)]
pub struct Distribution {
    libs: PathBuf,
    version: String,
    java: Java,
}

impl Distribution {
    /// The Kafka that is used unless another is named.
    pub const DEFAULT_VERSION: &'static str = "4.3.1";

    /// Takes the installation at `installation` if one is given, and fetches the default version otherwise.
    ///
    /// # Errors
    ///
    /// Those of [`Self::at`] and [`Self::fetch`].
    pub fn obtain(installation: Option<&Path>, target_dir: &Path) -> Result<Self> {
        match installation {
            Some(path) => Self::at(path),
            None => Self::fetch(target_dir, Self::DEFAULT_VERSION),
        }
    }

    /// Fetches a version through Maven into `<target_dir>/kafka/<version>/libs`, unless it is there already.
    ///
    /// # Errors
    ///
    /// Java or Maven is missing, Maven failed, or the directory cannot be written.
    pub fn fetch(target_dir: &Path, version: &str) -> Result<Self> {
        let java = Java::find()?;
        let directory = target_dir.join("kafka").join(version);
        let libs = directory.join("libs");
        copy_jars(&directory, &libs, &server_jars(version), &format!("Kafka {version}"))?;
        Self::of(libs, java)
    }

    /// Uses an unpacked Kafka (`KAFKA_HOME`) or a directory of jars.
    ///
    /// # Errors
    ///
    /// Java is missing, or there is no server jar in the directory.
    pub fn at(path: &Path) -> Result<Self> {
        let libs = path.join("libs");
        Self::of(if libs.is_dir() { libs } else { path.to_owned() }, Java::find()?)
    }

    fn of(libs: PathBuf, java: Java) -> Result<Self> {
        let libs = absolute(&libs)?;
        let entries = fs::read_dir(&libs).map_err(|_| LabError::NoDistribution { path: libs.clone() })?;
        let version = entries
            .flatten()
            .find_map(|entry| version_of(&entry.file_name().to_string_lossy()))
            .ok_or_else(|| LabError::NoDistribution { path: libs.clone() })?;
        Ok(Self { libs, version, java })
    }

    /// Kafka's version, such as `4.3.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The directory of jars.
    pub fn libs(&self) -> &Path {
        &self.libs
    }

    /// The Java that runs it.
    pub fn java(&self) -> &Java {
        &self.java
    }

    /// A class path of `first` and all jars.
    pub(crate) fn class_path(&self, first: Option<&Path>) -> OsString {
        let mut path = OsString::new();
        if let Some(first) = first {
            path.push(first);
            path.push(":");
        }
        path.push(self.libs.join("*"));
        path
    }
}

fn version_of(jar: &str) -> Option<String> {
    let version = jar.strip_prefix(SERVER_JAR)?.strip_suffix(".jar")?;
    // Beside it may lie its sources.
    version
        .chars()
        .all(|c| c.is_ascii_digit() || c == '.')
        .then(|| version.to_owned())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| LabError::io("resolving", path, error))
}

/// A Maven artifact: group, name, version.
pub(crate) type Artifact<'a> = (&'a str, &'a str, &'a str);

fn server_jars(version: &str) -> [Artifact<'_>; 4] {
    [
        ("org.apache.kafka", "kafka_2.13", version),
        ("org.apache.kafka", "kafka-tools", version),
        ("org.apache.logging.log4j", "log4j-core", LOG4J),
        ("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J),
    ]
}

/// Has Maven copy artifacts and all that they need into `libs` under `directory`, unless it is there already.
pub(crate) fn copy_jars(directory: &Path, libs: &Path, artifacts: &[Artifact<'_>], what: &str) -> Result<()> {
    if libs.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory).map_err(|error| LabError::io("creating", directory, error))?;
    let pom = directory.join("pom.xml");
    fs::write(&pom, project(artifacts)).map_err(|error| LabError::io("writing", &pom, error))?;
    // Renamed when complete: an interrupted download is not taken for a distribution.
    let arriving = directory.join("libs.arriving");
    let mut maven = Command::new("mvn");
    maven
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(&pom)
        .arg("dependency:copy-dependencies");
    maven
        .arg(format!("-DoutputDirectory={}", absolute(&arriving)?.display()))
        .arg("-DincludeScope=runtime");
    process::run(&mut maven, &format!("fetching {what}"), "", TIMEOUT).map_err(|error| match error {
        LabError::ProgramMissing { program, .. } => LabError::ProgramMissing {
            program,
            remedy: "install Maven (apt-get install -y maven) or name an installation by MAXBROD_KAFKA".into(),
        },
        other => other,
    })?;
    fs::rename(&arriving, libs).map_err(|error| LabError::io("renaming", &arriving, error))
}

fn project(artifacts: &[Artifact<'_>]) -> String {
    let dependencies: String = artifacts
        .iter()
        .map(|(group, artifact, version)| {
            format!(
                "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
                 <version>{version}</version></dependency>\n"
            )
        })
        .collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
         <groupId>maxbrod</groupId>\n  <artifactId>lab</artifactId>\n  <version>1</version>\n  <dependencies>\n\
         {dependencies}  </dependencies>\n</project>\n"
    )
}

#[cfg(test)]
mod tests;
