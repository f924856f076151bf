//! Checking a pack against what a snapshot refers to in it.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Level, PackChunks};
use crate::error::{Error, Result};
use crate::id::{ContentId, Hash, KeyId};
use crate::key::SealingKey;
use crate::name::PackName;
use crate::pack::Footer;
use crate::repository::Cluster;
use crate::seal::{Expected, Opener, Role};
use crate::store::blocking;
use crate::tree::ChunkRef;

/// What is kept of a reference until its pack is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackChunk {
    id: ContentId,
    position: u64,
    length: u64,
    logical_length: u64,
    key: Option<KeyId>,
}

impl From<&ChunkRef> for PackChunk {
    fn from(chunk: &ChunkRef) -> Self {
        let ChunkRef {
            id,
            position,
            length,
            logical_length,
            key,
            ..
        } = *chunk;
        Self {
            id,
            position,
            length,
            logical_length,
            key,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) bytes_read: u64,
    pub(super) opened: u64,
    pub(super) sealed: u64,
    pub(super) errors: Vec<Error>,
}

/// `own`: the length that the snapshot's own run recorded.
pub(super) async fn check_pack(
    cluster: &Cluster,
    name: PackName,
    chunks: PackChunks,
    own: Option<u64>,
    level: Level,
) -> Result<Checked> {
    let object = cluster.names().pack(name);
    let info = cluster
        .store()
        .head(&object)
        .await?
        .ok_or_else(|| Error::Missing { object: object.clone() })?;
    if own.is_some_and(|length| length != info.length) || info.length < chunks.end {
        let reason = format!(
            "it has {} bytes, the snapshot needs {}",
            info.length,
            own.unwrap_or(chunks.end)
        );
        return Err(Error::damaged(object, reason));
    }
    if level < Level::Full {
        return Ok(Checked::default());
    }
    let bytes = cluster.store().get(&object).await?;
    let mut keys: HashMap<KeyId, Option<SealingKey>> = HashMap::new();
    for key in chunks.chunks.iter().filter_map(|chunk| chunk.key) {
        if keys.contains_key(&key) {
            continue;
        }
        let unlocked = match cluster.repository().keys().get(key).await {
            Ok(unlocked) => Some(unlocked),
            Err(Error::WrongIdentity { .. } | Error::NeedsIdentity { .. }) => None,
            Err(error) => return Err(error),
        };
        keys.insert(key, unlocked);
    }
    let id_key = cluster.repository().id_key()?.clone();
    blocking(move || {
        let mut checked = check_content(&bytes, &object, &chunks.chunks)?;
        checked.bytes_read = bytes.len() as u64;
        if !checked.errors.is_empty() {
            return Ok(checked);
        }
        let mut opener = Opener::new();
        for chunk in &chunks.chunks {
            let key = chunk.key.and_then(|key| keys.get(&key).cloned().flatten());
            if chunk.key.is_some() && key.is_none() {
                checked.sealed += 1;
                continue;
            }
            let label = format!("the chunk at byte {} of {object}", chunk.position);
            let sealed = piece(&bytes, chunk.position, chunk.length);
            let expected = Expected {
                role: Role::Chunk,
                id: chunk.id,
                limit: chunk.logical_length,
                object: &label,
            };
            match opener.open(expected, sealed, &id_key, key.as_ref()) {
                Ok(body) if body.len() as u64 == chunk.logical_length => checked.opened += 1,
                Ok(_) => checked
                    .errors
                    .push(Error::damaged(label, "it is shorter than its reference says")),
                Err(error) => checked.errors.push(error),
            }
        }
        Ok(checked)
    })
    .await
}

/// Every blob has its hash, and every reference is to a blob.
fn check_content(bytes: &Bytes, object: &str, chunks: &[PackChunk]) -> Result<Checked> {
    let footer = Footer::decode(bytes, bytes.len() as u64, object)?;
    let mut checked = Checked::default();
    let mut entries = HashMap::with_capacity(footer.entries.len());
    for entry in &footer.entries {
        if Hash::of(piece(bytes, entry.position, entry.length)) != entry.hash {
            let reason = format!("the sealed chunk at byte {} does not have its hash", entry.position);
            checked.errors.push(Error::damaged(object, reason));
        }
        entries.insert(entry.position, entry);
    }
    for chunk in chunks {
        let agrees = entries
            .get(&chunk.position)
            .is_some_and(|entry| (entry.id, entry.length, entry.key) == (chunk.id, chunk.length, chunk.key));
        if !agrees {
            let reason = format!("it does not have the chunk {} at byte {}", chunk.id, chunk.position);
            checked.errors.push(Error::damaged(object, reason));
        }
    }
    Ok(checked)
}

fn piece(bytes: &[u8], position: u64, length: u64) -> &[u8] {
    bytes
        .get(position as usize..(position + length) as usize)
        .unwrap_or_default()
}
