//! What the coordinator remembers between starts, in SQLite: convenience only. Deleting it loses no snapshot (DESIGN §5).

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use maxbrod_repository::{PackInfo, PackName};
use rusqlite::{Connection, OptionalExtension as _, params};
use thiserror::Error;

/// A cache that cannot be used.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The directory cannot be made.
    #[error("make the state directory {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// SQLite fails.
    #[error("use the cache {path}: {source}; it holds nothing that is needed: stop the coordinator and delete it")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

impl CacheError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Directory { .. } => "state-directory-unusable",
            Self::Database { .. } => "cache-unusable",
        }
    }
}

/// An agent that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenAgent {
    /// Its node.
    pub(crate) node: i32,
    /// Its node's roles, `broker,controller`.
    pub(crate) roles: String,
    /// Its software version.
    pub(crate) version: String,
    /// When it was last connected, in seconds since 1970.
    pub(crate) last_seen: i64,
}

/// The cache.
#[derive(Debug)]
pub(crate) struct Cache {
    path: PathBuf,
    connection: Mutex<Connection>,
}

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS agent (
        cluster_id TEXT NOT NULL, node INTEGER NOT NULL, roles TEXT NOT NULL, version TEXT NOT NULL, last_seen INTEGER NOT NULL,
        PRIMARY KEY (cluster_id, node)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS outcome (
        at INTEGER NOT NULL, run INTEGER NOT NULL, snapshot TEXT NOT NULL, failure TEXT NOT NULL, duration_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS pack (
        scope TEXT NOT NULL, run INTEGER NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL,
        length INTEGER NOT NULL, sha256 BLOB NOT NULL,
        PRIMARY KEY (scope, run, epoch, sequence)
    ) STRICT;
";

impl Cache {
    /// Opens the cache in a directory, which is made.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, CacheError> {
        std::fs::create_dir_all(state_dir).map_err(|source| CacheError::Directory {
            path: state_dir.to_owned(),
            source,
        })?;
        let path = state_dir.join("coordinator.sqlite");
        let database = |source| CacheError::Database {
            path: path.clone(),
            source,
        };
        let connection = Connection::open(&path).map_err(database)?;
        connection
            .busy_timeout(std::time::Duration::from_secs(5))
            .map_err(database)?;
        connection.execute_batch(SCHEMA).map_err(database)?;
        Ok(Self {
            path,
            connection: Mutex::new(connection),
        })
    }

    /// The cluster that was backed up before, in the repository given.
    pub(crate) fn cluster_id(&self, repository_id: &str) -> Result<Option<String>, CacheError> {
        self.with(|connection| {
            let name = setting_of(repository_id);
            connection
                .query_row("SELECT value FROM setting WHERE name = ?1", [name], |row| row.get(0))
                .optional()
        })
    }

    /// Remembers the cluster.
    pub(crate) fn set_cluster_id(&self, repository_id: &str, cluster_id: &str) -> Result<(), CacheError> {
        self.with(|connection| {
            connection
                .execute(
                    "INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)",
                    [&setting_of(repository_id), cluster_id],
                )
                .map(drop)
        })
    }

    /// Remembers an agent.
    pub(crate) fn saw_agent(&self, cluster_id: &str, agent: &SeenAgent) -> Result<(), CacheError> {
        self.with(|connection| {
            connection
                .execute(
                    "INSERT OR REPLACE INTO agent (cluster_id, node, roles, version, last_seen) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![cluster_id, agent.node, agent.roles, agent.version, agent.last_seen],
                )
                .map(drop)
        })
    }

    /// The agents of a cluster that were ever seen, by node.
    pub(crate) fn agents(&self, cluster_id: &str) -> Result<Vec<SeenAgent>, CacheError> {
        self.with(|connection| {
            let mut statement = connection
                .prepare("SELECT node, roles, version, last_seen FROM agent WHERE cluster_id = ?1 ORDER BY node")?;
            let rows = statement.query_map([cluster_id], |row| {
                Ok(SeenAgent {
                    node: row.get(0)?,
                    roles: row.get(1)?,
                    version: row.get(2)?,
                    last_seen: row.get(3)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Remembers how a snapshot ended; `failure` is a code, or empty.
    pub(crate) fn ended(
        &self,
        at: i64,
        run: u64,
        snapshot: &str,
        failure: &str,
        duration_ms: u64,
    ) -> Result<(), CacheError> {
        self.with(|connection| {
            connection
                .execute(
                    "INSERT INTO outcome (at, run, snapshot, failure, duration_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![at, signed(run), snapshot, failure, signed(duration_ms)],
                )
                .map(drop)
        })
    }

    /// Remembers a granted pack. `scope` names repository and cluster.
    pub(crate) fn granted(&self, scope: &str, pack: &PackInfo) -> Result<(), CacheError> {
        let PackInfo { name, length, sha256 } = pack;
        self.with(|connection| {
            connection
                .execute(
                    "INSERT OR REPLACE INTO pack (scope, run, epoch, sequence, length, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![scope, signed(name.run), signed(name.epoch), signed(name.sequence), signed(*length), sha256],
                )
                .map(drop)
        })
    }

    /// What was granted under a name.
    pub(crate) fn pack(&self, scope: &str, name: PackName) -> Result<Option<PackInfo>, CacheError> {
        self.with(|connection| {
            connection
                .query_row(
                    "SELECT length, sha256 FROM pack WHERE scope = ?1 AND run = ?2 AND epoch = ?3 AND sequence = ?4",
                    params![scope, signed(name.run), signed(name.epoch), signed(name.sequence)],
                    |row| {
                        let length: i64 = row.get(0)?;
                        Ok(PackInfo {
                            name,
                            length: length.unsigned_abs(),
                            sha256: row.get(1)?,
                        })
                    },
                )
                .optional()
        })
    }

    /// Forgets the packs of runs that have ended.
    pub(crate) fn forget_packs_before(&self, scope: &str, run: u64) -> Result<(), CacheError> {
        self.with(|connection| {
            connection
                .execute(
                    "DELETE FROM pack WHERE scope = ?1 AND run < ?2",
                    params![scope, signed(run)],
                )
                .map(drop)
        })
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>) -> Result<T, CacheError> {
        let connection = match self.connection.lock() {
            Ok(connection) => connection,
            Err(poisoned) => poisoned.into_inner(),
        };
        work(&connection).map_err(|source| CacheError::Database {
            path: self.path.clone(),
            source,
        })
    }
}

/// SQLite's integers are signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn setting_of(repository_id: &str) -> String {
    format!("cluster-id of {repository_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_remembered_until_the_cache_is_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let agent = SeenAgent {
            node: 3,
            roles: "broker".to_owned(),
            version: "0.1.0".to_owned(),
            last_seen: 17,
        };
        {
            let cache = Cache::open(directory.path()).unwrap();
            assert_eq!(cache.cluster_id("repository").unwrap(), None);
            cache.set_cluster_id("repository", "cluster").unwrap();
            cache.saw_agent("cluster", &agent).unwrap();
            cache.ended(1, 2, "snapshot", "", 3).unwrap();
        }
        let cache = Cache::open(directory.path()).unwrap();
        assert_eq!(cache.cluster_id("repository").unwrap().as_deref(), Some("cluster"));
        assert_eq!(cache.cluster_id("another").unwrap(), None);
        assert_eq!(cache.agents("cluster").unwrap(), [agent]);
        drop(cache);
        std::fs::remove_dir_all(directory.path()).unwrap();
        assert_eq!(Cache::open(directory.path()).unwrap().agents("cluster").unwrap(), []);
    }

    #[test]
    fn a_damaged_cache_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("coordinator.sqlite"),
            "this is no database, not at all, by no means",
        )
        .unwrap();
        let error = Cache::open(directory.path()).unwrap_err();
        assert_eq!(error.code(), "cache-unusable");
        assert!(error.to_string().contains("delete it"), "{error}");
    }
}
