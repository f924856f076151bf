//! Rows of chunks that were shipped in a run.

use maxbrod_repository::{ContentId, KeyId};
use rusqlite::{Row, params};

use super::{PackId, State, StateError};
use crate::partition::PartitionKey;

/// What a chunk is a piece of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkKind {
    /// The log.
    Log,
    /// A producer snapshot.
    Snapshot,
}

impl ChunkKind {
    fn number(self) -> i64 {
        match self {
            Self::Log => 0,
            Self::Snapshot => 1,
        }
    }
}

/// From which offset on a chunk's batches have which leader epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochRun {
    pub(crate) epoch: i32,
    pub(crate) start: i64,
}

/// Where a chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the base's chunk of the same id lies.
    Base,
    /// In a pack of this run.
    Pack {
        pack: PackId,
        position: u64,
        /// Sealed.
        length: u64,
        key: Option<KeyId>,
    },
}

/// A chunk that was shipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChunkRow {
    pub(crate) id: ContentId,
    pub(crate) base: i64,
    pub(crate) next: i64,
    /// Leader epoch of its last batch.
    pub(crate) epoch: i32,
    /// CRC of its last batch.
    pub(crate) crc: u32,
    /// Of the batches.
    pub(crate) length: u64,
    pub(crate) closed: bool,
    pub(crate) epochs: Vec<EpochRun>,
    pub(crate) place: Place,
}

impl State {
    /// Remembers a chunk; one of the same run, partition, kind and base offset is replaced.
    pub(crate) fn add_chunk(
        &self,
        run: u64,
        key: &PartitionKey,
        kind: ChunkKind,
        chunk: &ChunkRow,
    ) -> Result<(), StateError> {
        let (pack, position, sealed, data_key) = match chunk.place {
            Place::Base => (None, None, None, None),
            Place::Pack {
                pack,
                position,
                length,
                key,
            } => (
                Some(pack.0),
                Some(position as i64),
                Some(length as i64),
                key.map(|key| key.0.to_vec()),
            ),
        };
        self.lock()
            .prepare_cached(
                "INSERT OR REPLACE INTO chunks (run, topic, partition, kind, base, next, id, epoch, crc, length, closed, epochs,
                 pack, position, sealed, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?
            .execute(params![
                run as i64,
                key.topic_bytes().as_slice(),
                key.partition.0,
                kind.number(),
                chunk.base,
                chunk.next,
                chunk.id.0.as_slice(),
                chunk.epoch,
                chunk.crc,
                chunk.length as i64,
                chunk.closed,
                encode(&chunk.epochs),
                pack,
                position,
                sealed,
                data_key,
            ])?;
        Ok(())
    }

    /// The chunks of a partition in a run, ascending.
    pub(crate) fn chunks(&self, run: u64, key: &PartitionKey, kind: ChunkKind) -> Result<Vec<ChunkRow>, StateError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, base, next, epoch, crc, length, closed, epochs, pack, position, sealed, key FROM chunks
             WHERE run = ?1 AND topic = ?2 AND partition = ?3 AND kind = ?4 ORDER BY base",
        )?;
        let rows = statement.query_map(
            params![run as i64, key.topic_bytes().as_slice(), key.partition.0, kind.number()],
            chunk_row,
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last chunk of a partition's log in a run.
    pub(crate) fn last_chunk(&self, run: u64, key: &PartitionKey) -> Result<Option<ChunkRow>, StateError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, base, next, epoch, crc, length, closed, epochs, pack, position, sealed, key FROM chunks
             WHERE run = ?1 AND topic = ?2 AND partition = ?3 AND kind = 0 ORDER BY base DESC LIMIT 1",
        )?;
        let mut rows = statement.query_map(
            params![run as i64, key.topic_bytes().as_slice(), key.partition.0],
            chunk_row,
        )?;
        Ok(rows.next().transpose()?)
    }

    /// Forgets the chunks of a partition's log in a run that start at or above an offset.
    pub(crate) fn drop_chunks_from(&self, run: u64, key: &PartitionKey, base: i64) -> Result<(), StateError> {
        let sql = "DELETE FROM chunks WHERE run = ?1 AND topic = ?2 AND partition = ?3 AND kind = 0 AND base >= ?4";
        self.lock().prepare_cached(sql)?.execute(params![
            run as i64,
            key.topic_bytes().as_slice(),
            key.partition.0,
            base
        ])?;
        Ok(())
    }
}

fn chunk_row(row: &Row<'_>) -> rusqlite::Result<ChunkRow> {
    let pack: Option<i64> = row.get(8)?;
    let place = match pack {
        None => Place::Base,
        Some(pack) => {
            let key: Option<Vec<u8>> = row.get(11)?;
            Place::Pack {
                pack: PackId(pack),
                position: row.get::<_, i64>(9)? as u64,
                length: row.get::<_, i64>(10)? as u64,
                key: key.and_then(|key| KeyId::from_slice(&key)),
            }
        }
    };
    Ok(ChunkRow {
        id: ContentId(row.get(0)?),
        base: row.get(1)?,
        next: row.get(2)?,
        epoch: row.get(3)?,
        crc: row.get(4)?,
        length: row.get::<_, i64>(5)? as u64,
        closed: row.get(6)?,
        epochs: decode(&row.get::<_, Vec<u8>>(7)?),
        place,
    })
}

fn encode(epochs: &[EpochRun]) -> Vec<u8> {
    epochs
        .iter()
        .flat_map(|run| run.epoch.to_be_bytes().into_iter().chain(run.start.to_be_bytes()))
        .collect()
}

fn decode(bytes: &[u8]) -> Vec<EpochRun> {
    bytes
        .chunks_exact(12)
        .filter_map(|raw| {
            let (epoch, start) = raw.split_first_chunk::<4>()?;
            Some(EpochRun {
                epoch: i32::from_be_bytes(*epoch),
                start: i64::from_be_bytes(*start.first_chunk()?),
            })
        })
        .collect()
}
