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

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(settings: T) -> Self {
        Self(
            settings
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

impl Properties {
    /// Reads a file: comments, continued lines, escapes, and any of `=`, `:` and blanks between key and value.
    pub fn parse(text: &str) -> Self {
        let mut settings = BTreeMap::new();
        let text = text.replace("\r\n", "\n");
        let mut lines = text.split(['\n', '\r']);
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

    /// Reads a file's bytes. Java takes them for Latin-1, so that no byte is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let text: String = bytes.iter().copied().map(char::from).collect();
        Self::parse(&text)
    }

    /// The file's text, one setting a line in order of their keys; whatever needs it is escaped.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.0 {
            escape(key, true, &mut text);
            text.push('=');
            escape(value, false, &mut text);
            text.push('\n');
        }
        text
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
    // Escapes are UTF-16 units, so a letter beyond the first plane comes in two.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let plain = match letter {
            '\\' => match letters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    let code: String = letters.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&code, 16).unwrap_or(0xfffd));
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend(plain.encode_utf16(&mut [0; 2]).iter());
    }
    String::from_utf16_lossy(&units)
}

/// Java writes what is not ASCII as UTF-16 units, and blanks only need escaping where they would be lost.
fn escape(text: &str, is_key: bool, out: &mut String) {
    for (index, letter) in text.chars().enumerate() {
        match letter {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\x0c' => out.push_str("\\f"),
            '\\' | '=' | ':' | '#' | '!' => out.extend(['\\', letter]),
            ' ' if is_key || index == 0 => out.push_str("\\ "),
            ' '..='~' => out.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
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
            // Version 0 has a broker.id, and is from the time of ZooKeeper.
            return Err(invalid("version", version, "1"));
        }
        let node_id = properties.required("node.id")?;
        let directory_id = match properties.get("directory.id").map(str::trim) {
            Some(text) => match text.parse::<DirectoryId>() {
                Ok(id) if !id.is_reserved() => Some(id),
                _ => return Err(invalid("directory.id", text, "the Kafka UUID of a log dir")),
            },
            None => None,
        };
        Ok(Self {
            cluster_id: ClusterId(properties.required("cluster.id")?.to_owned()),
            node_id: parse_node_id("node.id", node_id)?,
            directory_id,
        })
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = String::from("version=1\ncluster.id=");
        // It is any text: unescaped, a line break in it would make settings of its own.
        escape(&self.cluster_id.0, false, &mut text);
        text.push_str(&format!("\nnode.id={}\n", self.node_id));
        if let Some(directory_id) = self.directory_id {
            text.push_str(&format!("directory.id={directory_id}\n"));
        }
        text
    }
}

fn parse_node_id(key: &'static str, text: &str) -> Result<NodeId, PropertiesError> {
    let id = text.parse().map_err(|_| invalid(key, text, "a number"))?;
    if id < 0 {
        return Err(invalid(key, text, "a node's id: those are not negative"));
    }
    Ok(NodeId(id))
}

fn invalid(key: &'static str, value: &str, expected: &'static str) -> PropertiesError {
    PropertiesError::Invalid {
        key,
        value: value.to_owned(),
        expected,
    }
}
