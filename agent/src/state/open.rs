//! Opening the database, or starting a new one in place of a damaged one.

use std::path::Path;
use std::sync::Mutex;

use rusqlite::{Connection, ErrorCode};

use super::{State, StateError};

/// Raised when tables change; what an older one holds is not worth a migration.
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE keys (id BLOB PRIMARY KEY, wrapped BLOB NOT NULL, stored INTEGER NOT NULL) STRICT;
CREATE TABLE packs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, state INTEGER NOT NULL, length INTEGER, sha256 BLOB,
    key BLOB, name_run INTEGER, name_epoch INTEGER, name_sequence INTEGER
) STRICT;
CREATE INDEX packs_by_state ON packs (state);
CREATE TABLE chunks (
    run INTEGER NOT NULL, topic BLOB NOT NULL, partition INTEGER NOT NULL, kind INTEGER NOT NULL, base INTEGER NOT NULL,
    next INTEGER NOT NULL, id BLOB NOT NULL, epoch INTEGER NOT NULL, crc INTEGER NOT NULL, length INTEGER NOT NULL,
    closed INTEGER NOT NULL, epochs BLOB NOT NULL, pack INTEGER, position INTEGER, sealed INTEGER, key BLOB,
    PRIMARY KEY (run, topic, partition, kind, base)
) STRICT, WITHOUT ROWID;
CREATE INDEX chunks_by_pack ON chunks (pack);
CREATE TABLE segments (
    topic BLOB NOT NULL, partition INTEGER NOT NULL, base INTEGER NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL,
    birth INTEGER NOT NULL, chunks BLOB NOT NULL,
    PRIMARY KEY (topic, partition, base)
) STRICT, WITHOUT ROWID;
";

impl State {
    /// Opens the database in `directory`, which is made if need be. A damaged one is set aside.
    pub(crate) fn open(directory: &Path) -> Result<Self, StateError> {
        let failed = |reason| StateError::Directory {
            path: directory.to_owned(),
            reason,
        };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let path = directory.join("agent.db");
        let connection = match open(&path) {
            Err(error) if is_damage(&error) => {
                let aside = set_aside(&path).map_err(failed)?;
                tracing::warn!(%error, aside = %aside, "the agent's database is damaged; it starts afresh and reads again what it must");
                open(&path)?
            }
            Err(rusqlite::Error::SqliteFailure(error, _)) if error.code == ErrorCode::DatabaseBusy => {
                return Err(StateError::InUse {
                    path: directory.to_owned(),
                });
            }
            other => other?,
        };
        let state = Self {
            connection: Mutex::new(connection),
        };
        state.forget_open_packs()?;
        Ok(state)
    }
}

fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    // Exclusive: a second agent with the same state_dir is refused. Losing the last moments with the machine's power is
    // harmless: spooled packs are checked against their hash before they count.
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -2048;",
    )?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        let code = rusqlite::ffi::Error {
            code: ErrorCode::DatabaseCorrupt,
            extended_code: 11,
        };
        return Err(rusqlite::Error::SqliteFailure(code, Some(verdict)));
    }
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version != VERSION {
        connection.execute_batch(
            "BEGIN; DROP TABLE IF EXISTS facts; DROP TABLE IF EXISTS keys; DROP TABLE IF EXISTS packs;
             DROP TABLE IF EXISTS chunks; DROP TABLE IF EXISTS segments;",
        )?;
        connection.execute_batch(SCHEMA)?;
        connection.execute_batch(&format!("PRAGMA user_version = {VERSION}; COMMIT;"))?;
    }
    Ok(connection)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(error, _) => {
            matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        }
        _ => false,
    }
}

/// Renames the database and its log; returns the new name.
fn set_aside(path: &Path) -> std::io::Result<String> {
    let name = (1..)
        .map(|number| format!("{}.damaged-{number}", path.display()))
        .find(|name| !Path::new(name).exists())
        .unwrap_or_default();
    std::fs::rename(path, &name)?;
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::rename(format!("{}{suffix}", path.display()), format!("{name}{suffix}"));
    }
    Ok(name)
}
