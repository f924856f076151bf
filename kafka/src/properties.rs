//! Java properties files, and what Kafka keeps in them: `server.properties`, `meta.properties` (K§1.3).

use std::collections::BTreeMap;

use thiserror::Error;

use crate::ids::{ClusterId, DirectoryId, NodeId};

mod server;
#[cfg(test)]
mod tests;

pub use server::{Role, ServerProperties};

/// The settings of a properties file. A key that is set twice has its last value, as in Java.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

/// Why a properties file does not say what it must.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PropertiesError {
    /// A setting is missing.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// A setting has a value that it cannot have.
    #[error("{key} is {value:?}, which is not {expected}")]
    Invalid {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl PropertiesError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "setting-missing",
            Self::Invalid { .. } => "setting-invalid",
        }
    }
}

impl Properties {
    /// Reads a file: comments, continued lines, escapes, and any of `=`, `:` and blanks between key and value.
    pub fn parse(text: &str) -> Self {
        let mut settings = BTreeMap::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut logical = line.trim_start_matches([' ', '\t', '\x0c']).to_owned();
            if logical.is_empty() || logical.starts_with(['#', '!']) {
                continue;
            }
            while ends_in_odd_backslashes(&logical) {
                logical.pop();
                let Some(next) = lines.next() else { break };
                logical.push_str(next.trim_start_matches([' ', '\t', '\x0c']));
            }
            let (key, value) = split(&logical);
            settings.insert(unescape(key), unescape(value));
        }
        Self(settings)
    }

    /// The value of a setting.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All settings, in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn required(&self, key: &'static str) -> Result<&str, PropertiesError> {
        self.get(key)
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .ok_or(PropertiesError::Missing(key))
    }
}

fn ends_in_odd_backslashes(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (index, letter) in line.char_indices() {
        if !escaped && matches!(letter, '=' | ':' | ' ' | '\t' | '\x0c') {
            let (key, rest) = line.split_at(index);
            let rest = rest.trim_start_matches([' ', '\t', '\x0c']);
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (key, rest.trim_start_matches([' ', '\t', '\x0c']));
        }
        escaped = !escaped && letter == '\\';
    }
    (line, "")
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\x0c'),
            Some('u') => {
                let code: String = letters.by_ref().take(4).collect();
                out.push(
                    u32::from_str_radix(&code, 16)
                        .ok()
                        .and_then(char::from_u32)
                        .unwrap_or('\u{fffd}'),
                );
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// The identity of a log dir (`meta.properties`, version 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The node.
    pub node_id: NodeId,
    /// The directory; a broker gives it one at its first start if there is none.
    pub directory_id: Option<DirectoryId>,
}

impl MetaProperties {
    /// Reads the file.
    pub fn parse(text: &str) -> Result<Self, PropertiesError> {
        let properties = Properties::parse(text);
        let version = properties.required("version")?;
        if version != "1" {
            return Err(invalid("version", version, "1"));
        }
        let node_id = properties.required("node.id")?;
        let directory_id = match properties.get("directory.id") {
            Some(text) => Some(
                text.parse()
                    .map_err(|_| invalid("directory.id", text, "a Kafka UUID"))?,
            ),
            None => None,
        };
        Ok(Self {
            cluster_id: ClusterId(properties.required("cluster.id")?.to_owned()),
            node_id: NodeId(node_id.parse().map_err(|_| invalid("node.id", node_id, "a number"))?),
            directory_id,
        })
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = format!("version=1\ncluster.id={}\nnode.id={}\n", self.cluster_id, self.node_id);
        if let Some(directory_id) = self.directory_id {
            text.push_str(&format!("directory.id={directory_id}\n"));
        }
        text
    }
}

fn invalid(key: &'static str, value: &str, expected: &'static str) -> PropertiesError {
    PropertiesError::Invalid {
        key,
        value: value.to_owned(),
        expected,
    }
}
