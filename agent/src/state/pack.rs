//! Rows of packs.

use maxbrod_repository::{KeyId, PackName};
use rusqlite::{OptionalExtension as _, params};

use super::{State, StateError};

/// Being filled.
const OPEN: i64 = 0;
/// Complete in the spool.
const SEALED: i64 = 1;
/// In the repository.
const STORED: i64 = 2;

/// The agent's own number of a pack. It has no name before it is granted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackId(pub(crate) i64);

impl PackId {
    /// Its file in the spool.
    pub(crate) fn file_name(self) -> String {
        format!("{}.pack", self.0)
    }

    /// The pack whose file has this name.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        name.strip_suffix(".pack")?.parse().ok().map(Self)
    }
}

/// A complete pack in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedPack {
    pub(crate) id: PackId,
    pub(crate) run: u64,
    pub(crate) length: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) key: Option<KeyId>,
}

impl State {
    /// A new pack, to be filled.
    pub(crate) fn begin_pack(&self, run: u64, key: Option<KeyId>) -> Result<PackId, StateError> {
        let connection = self.lock();
        let key = key.map(|key| key.0.to_vec());
        connection.execute(
            "INSERT INTO packs (run, state, key) VALUES (?1, ?2, ?3)",
            params![run as i64, OPEN, key],
        )?;
        Ok(PackId(connection.last_insert_rowid()))
    }

    /// The pack is complete.
    pub(crate) fn seal_pack(&self, pack: &SealedPack) -> Result<(), StateError> {
        let sql = "UPDATE packs SET state = ?2, length = ?3, sha256 = ?4 WHERE id = ?1";
        self.lock().execute(
            sql,
            params![pack.id.0, SEALED, pack.length as i64, pack.sha256.as_slice()],
        )?;
        Ok(())
    }

    /// The pack is in the repository, under this name.
    pub(crate) fn pack_stored(&self, pack: PackId, name: PackName) -> Result<(), StateError> {
        let sql = "UPDATE packs SET state = ?2, name_run = ?3, name_epoch = ?4, name_sequence = ?5 WHERE id = ?1";
        let PackName { run, epoch, sequence } = name;
        self.lock()
            .execute(sql, params![pack.0, STORED, run as i64, epoch as i64, sequence as i64])?;
        Ok(())
    }

    /// The name of a pack that is in the repository.
    pub(crate) fn pack_name(&self, pack: PackId) -> Result<Option<PackName>, StateError> {
        let sql = "SELECT name_run, name_epoch, name_sequence FROM packs WHERE id = ?1 AND state = ?2";
        let name = |row: &rusqlite::Row<'_>| {
            let number = |index| row.get::<_, i64>(index).map(|number| number as u64);
            Ok(PackName {
                run: number(0)?,
                epoch: number(1)?,
                sequence: number(2)?,
            })
        };
        Ok(self.lock().query_row(sql, params![pack.0, STORED], name).optional()?)
    }

    /// Forgets a pack and the chunks in it.
    pub(crate) fn drop_pack(&self, pack: PackId) -> Result<(), StateError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute("DELETE FROM chunks WHERE pack = ?1", [pack.0])?;
        transaction.execute("DELETE FROM packs WHERE id = ?1", [pack.0])?;
        transaction.commit()?;
        Ok(())
    }

    /// Complete packs that are not known to be in the repository.
    pub(crate) fn sealed_packs(&self) -> Result<Vec<SealedPack>, StateError> {
        let connection = self.lock();
        let mut statement =
            connection.prepare_cached("SELECT id, run, length, sha256, key FROM packs WHERE state = ?1 ORDER BY id")?;
        let rows = statement.query_map([SEALED], |row| {
            let key: Option<Vec<u8>> = row.get(4)?;
            Ok(SealedPack {
                id: PackId(row.get(0)?),
                run: row.get::<_, i64>(1)? as u64,
                length: row.get::<_, i64>(2)? as u64,
                sha256: row.get(3)?,
                key: key.and_then(|key| KeyId::from_slice(&key)),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets the packs that were open when the last process ended.
    pub(super) fn forget_open_packs(&self) -> Result<(), StateError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute(
            "DELETE FROM chunks WHERE pack IN (SELECT id FROM packs WHERE state = ?1)",
            [OPEN],
        )?;
        transaction.execute("DELETE FROM packs WHERE state = ?1", [OPEN])?;
        transaction.commit()?;
        Ok(())
    }
}
