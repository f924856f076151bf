//! `maxbrod` itself, run as a script would run it.

use std::process::{Command, Stdio};

use serde_json::Value;

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command without any of its environment variables.
pub fn maxbrod(arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maxbrod"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("MAXBROD_") || text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
    let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ended {
    /// The one JSON document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that it did its work, and without a word of complaint.
    pub fn assert_done(&self) -> &Self {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{self:?}");
        self
    }

    /// Asserts that it failed like this, with the same error as a document and for people, naming the object, and with
    /// something to do about it.
    pub fn assert_failed(&self, exit: i32, code: &str, named: &str) {
        let error = &self.json()["error"];
        assert_eq!((self.code, error["code"].as_str()), (exit, Some(code)), "{self:?}");
        let message = error["message"].as_str().unwrap();
        let remedy = error["remedy"].as_str().unwrap();
        assert!(format!("{message} {remedy}").contains(named), "{named}: {self:?}");
        assert!(!remedy.is_empty(), "{self:?}");
        // What the command line's grammar refuses is worded, and broken into lines, by clap there.
        let words: Vec<&str> = self.stderr.split_whitespace().collect();
        assert!(
            self.stderr.contains(message) || words.join(" ").contains(message) || self.stderr.contains("Usage: "),
            "{self:?}"
        );
        assert!(
            !self.stdout.contains('\u{1b}') && !self.stderr.contains('\u{1b}'),
            "{self:?}"
        );
    }
}
