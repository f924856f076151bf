//! Making a chunk durable: named, compressed where that pays, sealed, opened again for a check, and packed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use maxbrod_repository::{Compression, ContentId, Opener, Random, Role, Sealer};

use super::error::ShipError;
use super::reader::Draft;
use crate::link::Sealing;
use crate::pack::{Label, Packer};
use crate::state::{ChunkRow, Place, State};

/// Chunks of which at least nine tenths lie in batches that Kafka's producers compressed stay as they are.
const MOSTLY: (u64, u64) = (9, 10);

/// The chunks of a partition that need not be stored again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Those that the base holds.
    pub(crate) base: Arc<HashSet<ContentId>>,
    /// Those that this run has stored.
    pub(crate) own: HashMap<ContentId, Place>,
}

impl Known {
    /// Where a chunk is, if it need not be stored.
    pub(crate) fn place(&self, id: &ContentId) -> Option<Place> {
        self.own
            .get(id)
            .copied()
            .or_else(|| self.base.contains(id).then_some(Place::Base))
    }
}

/// What chunks are made durable with. One per worker: it keeps its buffers.
pub(crate) struct Storer {
    sealing: Arc<Sealing>,
    sealer: Sealer,
    opener: Opener,
    sealed: Vec<u8>,
    random: Arc<dyn Random>,
}

impl Storer {
    pub(crate) fn new(sealing: Arc<Sealing>, random: Arc<dyn Random>) -> Self {
        let sealer = Sealer::new(sealing.id_key.clone(), sealing.key.clone());
        Self {
            sealing,
            sealer,
            opener: Opener::new(),
            sealed: Vec::new(),
            random,
        }
    }

    /// Whether it seals as this session wants it.
    pub(crate) fn is_for(&self, sealing: &Arc<Sealing>) -> bool {
        Arc::ptr_eq(&self.sealing, sealing)
    }

    /// Makes a piece of a log durable and remembers it in the run.
    pub(crate) fn store(
        &mut self,
        packer: &Packer,
        state: &State,
        label: &Label,
        draft: Draft,
        bytes: &[u8],
        known: &Known,
    ) -> Result<ChunkRow, ShipError> {
        let id = self.sealer.id_of(bytes);
        let mut row = ChunkRow {
            id,
            base: draft.base,
            next: draft.next,
            epoch: draft.epoch,
            crc: draft.crc,
            length: bytes.len() as u64,
            closed: draft.closed,
            epochs: draft.epochs,
            place: Place::Base,
        };
        if let Some(place) = known.place(&id) {
            row.place = place;
            state.add_chunk(label.run, &label.partition, label.kind, &row)?;
            return Ok(row);
        }
        let mostly_compressed = draft.compressed * MOSTLY.1 >= bytes.len() as u64 * MOSTLY.0;
        let compression = if mostly_compressed {
            Compression::None
        } else {
            Compression::Zstd(self.sealing.zstd_level)
        };
        self.sealed.clear();
        self.sealer.seal_with_id(
            Role::Chunk,
            id,
            bytes,
            compression,
            self.random.as_ref(),
            &mut self.sealed,
        )?;
        self.sealer
            .check(&mut self.opener, Role::Chunk, id, bytes, &self.sealed)?;
        packer.add(label, self.sealer.key_id(), &self.sealed, &mut row)?;
        Ok(row)
    }
}
