//! One build for all that is run afterwards.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::workspace;

/// What a build made.
#[derive(Debug, Default)]
pub(crate) struct Artifacts {
    /// Test executables.
    pub(crate) tests: Vec<TestExecutable>,
}

/// A test executable and where cargo would run it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TestExecutable {
    /// The package's directory, relative to the root: `kafka`.
    pub(crate) package: String,
    /// The target's name: the library's, or the integration test's.
    pub(crate) name: String,
    /// The file.
    pub(crate) executable: PathBuf,
}

impl TestExecutable {
    /// Tells whether all of its tests start Kafka clusters, or need the machine for themselves for a minute.
    pub(crate) fn is_real(&self) -> bool {
        match self.package.as_str() {
            "tests" => self.name != "maxbrod_tests",
            "lab" => self.name == "real_cluster",
            "agent" => self.name == "memory",
            _ => false,
        }
    }

    /// What names the tests that start Kafka clusters in an executable whose other tests don't.
    pub(crate) fn real_among_fast(&self) -> Option<&'static str> {
        (self.package == "restore" && self.name == "maxbrod_restore").then_some("::booted_")
    }
}

/// Builds all executables and all tests in one go, so that every dependency is built with one set of features.
pub(crate) fn build() -> Result<Artifacts, String> {
    let mut cargo = workspace::cargo();
    cargo.args([
        "build",
        "--workspace",
        "--bins",
        "--lib",
        "--tests",
        "--message-format=json-render-diagnostics",
    ]);
    eprintln!("$ cargo build --workspace --bins --lib --tests");
    let output = cargo
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("running cargo build: {error}"))?;
    if !output.status.success() {
        return Err("the build failed".into());
    }
    let root = workspace::root();
    let mut artifacts = Artifacts::default();
    for message in String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
    {
        artifacts.tests.extend(test_executable(&message, &root));
    }
    artifacts
        .tests
        .sort_by(|a, b| (&a.package, &a.name).cmp(&(&b.package, &b.name)));
    Ok(artifacts)
}

fn test_executable(message: &Value, root: &std::path::Path) -> Option<TestExecutable> {
    if message.get("reason")? != "compiler-artifact" || message.get("profile")?.get("test")? != true {
        return None;
    }
    let manifest = PathBuf::from(message.get("manifest_path")?.as_str()?);
    let package = manifest
        .parent()?
        .strip_prefix(root)
        .ok()?
        .to_string_lossy()
        .into_owned();
    let name = message.get("target")?.get("name")?.as_str()?.to_owned();
    let executable = PathBuf::from(message.get("executable")?.as_str()?);
    Some(TestExecutable {
        package,
        name,
        executable,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::test_executable;

    #[test]
    fn only_test_executables_count_and_those_on_clusters_are_told_apart() {
        let message = |manifest: &str, name: &str, test: bool| {
            let text = serde_json::json!({
                "reason": "compiler-artifact", "manifest_path": manifest, "profile": { "test": test },
                "target": { "name": name }, "executable": "/w/target/debug/deps/x",
            });
            test_executable(&text, Path::new("/w"))
        };
        assert_eq!(message("/w/cli/Cargo.toml", "maxbrod", false), None);
        let unit = message("/w/lab/Cargo.toml", "maxbrod_lab", true).unwrap();
        assert_eq!((unit.package.as_str(), unit.is_real()), ("lab", false));
        assert!(message("/w/lab/Cargo.toml", "real_cluster", true).unwrap().is_real());
        assert!(message("/w/tests/Cargo.toml", "restore", true).unwrap().is_real());
        assert!(!message("/w/tests/Cargo.toml", "maxbrod_tests", true).unwrap().is_real());
        let mixed = message("/w/restore/Cargo.toml", "maxbrod_restore", true).unwrap();
        assert!(!mixed.is_real() && mixed.real_among_fast().is_some());
        assert_eq!(
            test_executable(&serde_json::json!({ "reason": "build-finished" }), Path::new("/w")),
            None
        );
    }
}
