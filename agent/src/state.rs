//! What the agent remembers across restarts: what it shipped in the open run, packs that are not uploaded yet, and what
//! compacted segments consist of. In SQLite; losing it costs re-reading, nothing else.
//!
//! A chunk's row is written with its bytes in the spool. It becomes durable when the pack is; a pack that was still open when
//! the agent died is forgotten with its chunks.

mod chunk;
mod open;
mod pack;
mod segment;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};
use thiserror::Error;

pub(crate) use chunk::{ChunkKind, ChunkRow, EpochRun, Place};
pub(crate) use pack::{PackId, SealedPack};
pub(crate) use segment::{SegmentChunk, SegmentRow};

#[cfg(test)]
mod tests;

/// The agent's database cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// The directory cannot be made or written to.
    #[error("open the agent's state in {}: {reason}; check state_dir in agent.toml and its permissions", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// Another agent uses it.
    #[error("open the agent's state in {}: another agent uses it; give each agent its own state_dir", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// SQLite failed.
    #[error("use the agent's database: {0}")]
    Database(#[from] rusqlite::Error),
}

impl StateError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Directory { .. } => "state-directory",
            Self::InUse { .. } => "state-in-use",
            Self::Database(_) => "state-database",
        }
    }
}

/// The agent's memory.
#[derive(Debug)]
pub(crate) struct State {
    connection: Mutex<Connection>,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Connection> {
        // SQLite rolls back what was not committed.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything unless it is of this repository, cluster and node.
    pub(crate) fn belong_to(&self, owner: &str) -> Result<(), StateError> {
        let connection = self.lock();
        let known: Option<String> = connection
            .query_row("SELECT value FROM facts WHERE name = 'owner'", [], |row| row.get(0))
            .optional()?;
        if known.as_deref() == Some(owner) {
            return Ok(());
        }
        if known.is_some() {
            tracing::warn!(
                owner,
                "the agent's state is of another repository or node; it starts afresh"
            );
        }
        connection.execute_batch("DELETE FROM chunks; DELETE FROM packs; DELETE FROM segments; DELETE FROM keys;")?;
        connection.execute(
            "INSERT OR REPLACE INTO facts (name, value) VALUES ('owner', ?1)",
            [owner],
        )?;
        Ok(())
    }

    /// Forgets what was shipped in every run but this one. Returns the spooled packs that are not needed any more.
    pub(crate) fn keep_only_run(&self, run: u64) -> Result<Vec<PackId>, StateError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let packs = transaction
            .prepare_cached("SELECT id FROM packs WHERE run <> ?1")?
            .query_map([run as i64], |row| row.get(0).map(PackId))?
            .collect::<Result<Vec<_>, _>>()?;
        transaction.execute("DELETE FROM chunks WHERE run <> ?1", [run as i64])?;
        transaction.execute("DELETE FROM packs WHERE run <> ?1", [run as i64])?;
        transaction.commit()?;
        Ok(packs)
    }

    /// Remembers a data key's wrapped copy, which must be in the repository before packs sealed with the key are.
    pub(crate) fn add_key(&self, id: &[u8; 16], wrapped: &[u8]) -> Result<(), StateError> {
        let sql = "INSERT OR REPLACE INTO keys (id, wrapped, stored) VALUES (?1, ?2, 0)";
        self.lock().execute(sql, params![id.as_slice(), wrapped])?;
        Ok(())
    }

    /// The wrapped copy of a key that is not known to be in the repository.
    pub(crate) fn unstored_key(&self, id: &[u8; 16]) -> Result<Option<Vec<u8>>, StateError> {
        let sql = "SELECT wrapped FROM keys WHERE id = ?1 AND stored = 0";
        Ok(self
            .lock()
            .query_row(sql, [id.as_slice()], |row| row.get(0))
            .optional()?)
    }

    /// The key is in the repository.
    pub(crate) fn key_stored(&self, id: &[u8; 16]) -> Result<(), StateError> {
        self.lock()
            .execute("UPDATE keys SET stored = 1 WHERE id = ?1", [id.as_slice()])?;
        Ok(())
    }
}
