//! A Java development kit.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{LabError, Result};
use crate::process;

/// What Kafka 4's brokers need.
const OLDEST: u32 = 17;
const REMEDY: &str = "install openjdk-17-jdk-headless (apt-get install -y openjdk-17-jdk-headless) or set JAVA_HOME";

/// A Java installation with a compiler.
#[derive(Clone, Debug)]
pub struct Java {
    java: PathBuf,
    javac: PathBuf,
}

impl Java {
    /// Finds Java by `JAVA_HOME` or `PATH`, and checks that it is new enough and can compile.
    ///
    /// # Errors
    ///
    /// [`LabError::ProgramMissing`] and [`LabError::JavaTooOld`].
    pub fn find() -> Result<Self> {
        let found = match env::var_os("JAVA_HOME")
            .map(PathBuf::from)
            .filter(|home| home.join("bin/java").is_file())
        {
            Some(home) => Self {
                java: home.join("bin/java"),
                javac: home.join("bin/javac"),
            },
            None => Self {
                java: "java".into(),
                javac: "javac".into(),
            },
        };
        let version = found.version_of(&found.java)?;
        if version < OLDEST {
            return Err(LabError::JavaTooOld {
                java: found.java,
                found: version,
            });
        }
        found.version_of(&found.javac)?;
        Ok(found)
    }

    /// The `java` command.
    pub fn java(&self) -> &Path {
        &self.java
    }

    /// The `javac` command.
    pub fn javac(&self) -> &Path {
        &self.javac
    }

    fn version_of(&self, program: &Path) -> Result<u32> {
        let printed = process::run(
            Command::new(program).arg("--version"),
            "asking for Java's version",
            "",
            TIMEOUT,
        )
        .map_err(|error| match error {
            LabError::ProgramMissing { program, .. } => LabError::ProgramMissing {
                program,
                remedy: REMEDY.to_owned(),
            },
            other => other,
        })?;
        major(&printed).ok_or_else(|| LabError::malformed(format!("{} --version", program.display()), printed))
    }
}

const TIMEOUT: Duration = Duration::from_secs(60);

/// The major version in what `java --version` or `javac --version` prints.
fn major(printed: &str) -> Option<u32> {
    let number = printed
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    number.split(['.', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_is_read_from_what_each_vendor_prints() {
        assert_eq!(
            major("openjdk 17.0.15 2025-04-15\nOpenJDK Runtime Environment"),
            Some(17)
        );
        assert_eq!(major("javac 21"), Some(21));
        assert_eq!(major("openjdk 25-ea 2025-09-16"), Some(25));
        assert_eq!(major("no java here"), None);
    }
}
