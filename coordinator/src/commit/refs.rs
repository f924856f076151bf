//! The chunks of one partition: those that the base keeps, those that were shipped, and that together they are the whole log.

use std::collections::HashMap;

use maxbrod_cut::Cut;
use maxbrod_kafka::Offset;
use maxbrod_repository::{ChunkRef, ContentId, KeyId, PackName, Partition};
use thiserror::Error;

use crate::base::Base;
use crate::harvest::{HarvestedPartition, ShippedChunk};

/// Why a partition's chunks cannot be committed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum RefsError {
    /// There is a hole.
    #[error("offsets {from} to {to} are in no chunk")]
    Hole {
        /// From here.
        from: Offset,
        /// Up to here.
        to: Offset,
    },
    /// The chunks do not end at the cut.
    #[error("its chunks end at offset {end}, its cut is at {cut}")]
    End {
        /// Where they end.
        end: Offset,
        /// Where they should.
        cut: Offset,
    },
    /// The log starts behind its own end.
    #[error("its log starts at offset {log_start}, above its cut at {cut}")]
    Start {
        /// Where it starts.
        log_start: Offset,
        /// Where it is cut.
        cut: Offset,
    },
    /// A chunk that the base was to hold.
    #[error("the base has no chunk {id} of it, at offset {offset}")]
    NotInBase {
        /// The chunk.
        id: ContentId,
        /// Its first offset.
        offset: Offset,
    },
    /// Chunks of the base were to stay, but not up to where one ends.
    #[error("chunks of the base were to stay up to offset {to}, where none ends")]
    Inheritance {
        /// Up to here.
        to: Offset,
    },
    /// A chunk lies in a pack of another run.
    #[error("its chunk at offset {offset} lies in pack {pack}, which is not of run {run}")]
    ForeignPack {
        /// The chunk's first offset.
        offset: Offset,
        /// The pack.
        pack: PackName,
        /// The open run.
        run: u64,
    },
}

/// The chunks of one partition.
#[derive(Debug)]
pub(super) struct Refs {
    /// The base's partition, when chunks of it stay.
    pub(super) inherited: Option<Partition>,
    /// The chunks after them.
    pub(super) chunks: Vec<ChunkRef>,
    pub(super) producer_snapshot: Option<ChunkRef>,
    run: u64,
}

impl Refs {
    /// Finds the chunks and checks that they are the log from its start to the cut. The outer error is the repository's.
    pub(super) async fn resolve(
        run: u64,
        partition: &HarvestedPartition,
        in_base: Option<Partition>,
        base: &Base,
    ) -> Result<Result<Self, RefsError>, maxbrod_repository::Error> {
        let shipped = &partition.shipped;
        let inherits = shipped.inherited_to > shipped.log_start;
        // Chunks are only read where it matters: by-id places, and inheritance that does not end where the base does.
        let by_id = shipped
            .chunks
            .iter()
            .chain(&shipped.producer_snapshot)
            .any(|chunk| chunk.place.is_none());
        let ends_with_base = in_base.as_ref().is_some_and(|found| {
            found.record().end.offset() == shipped.inherited_to || ends_in_tail(found, shipped.inherited_to)
        });
        let known = match &in_base {
            Some(found) if by_id || (inherits && !ends_with_base) => base.chunks(found).await?,
            _ => Vec::new(),
        };
        let held = in_base
            .as_ref()
            .and_then(|found| found.record().producer_snapshot)
            .map(|held| held.chunk);
        let by_id: HashMap<ContentId, ChunkRef> = known
            .iter()
            .copied()
            .chain(held)
            .map(|chunk| (chunk.id, chunk))
            .collect();
        let place = |chunk: &ShippedChunk| chunk_ref(run, chunk, &by_id);
        let resolve = || {
            let chunks: Vec<ChunkRef> = shipped.chunks.iter().map(place).collect::<Result<_, _>>()?;
            let producer_snapshot = shipped.producer_snapshot.as_ref().map(place).transpose()?;
            let inherited = inherits.then_some(in_base).flatten();
            if inherits {
                let found = inherited.as_ref().ok_or(RefsError::Inheritance {
                    to: shipped.inherited_to,
                })?;
                let ends = ends_with_base || known.iter().any(|chunk| chunk.next_offset == shipped.inherited_to);
                if !ends {
                    return Err(RefsError::Inheritance {
                        to: shipped.inherited_to,
                    });
                }
                let base_start = found.record().log_start;
                if !partition.has_gaps() && base_start > shipped.log_start {
                    return Err(RefsError::Hole {
                        from: shipped.log_start,
                        to: base_start,
                    });
                }
            }
            check(partition, &chunks)?;
            Ok(Self {
                inherited,
                chunks,
                producer_snapshot,
                run,
            })
        };
        Ok(resolve())
    }

    /// The packs of this run that hold something of it.
    pub(super) fn packs_added(&self) -> impl Iterator<Item = PackName> {
        let chunks = self.chunks.iter().chain(&self.producer_snapshot);
        chunks.map(|chunk| chunk.pack).filter(|pack| pack.run == self.run)
    }
}

/// Whether one of the base's last chunks ends here; those are at hand.
fn ends_in_tail(partition: &Partition, offset: Offset) -> bool {
    partition.tail().iter().any(|chunk| chunk.next_offset == offset)
}

pub(super) fn chunk_ref(
    run: u64,
    chunk: &ShippedChunk,
    base: &HashMap<ContentId, ChunkRef>,
) -> Result<ChunkRef, RefsError> {
    let id = ContentId(chunk.id);
    let found = ChunkRef {
        id,
        base_offset: chunk.base_offset,
        next_offset: chunk.next_offset,
        leader_epoch: chunk.leader_epoch,
        pack: PackName {
            run,
            epoch: 0,
            sequence: 0,
        },
        position: 0,
        length: 0,
        key: None,
        logical_length: chunk.logical_length,
        closed: chunk.closed,
    };
    match &chunk.place {
        Some(place) => {
            let pack = PackName {
                run: place.run,
                epoch: place.epoch,
                sequence: place.sequence,
            };
            if pack.run != run {
                return Err(RefsError::ForeignPack {
                    offset: chunk.base_offset,
                    pack,
                    run,
                });
            }
            let (position, length, key) = (place.position, place.length, place.key_id.map(KeyId));
            Ok(ChunkRef {
                pack,
                position,
                length,
                key,
                ..found
            })
        }
        None => {
            let held = base.get(&id).ok_or(RefsError::NotInBase {
                id,
                offset: chunk.base_offset,
            })?;
            Ok(ChunkRef {
                pack: held.pack,
                position: held.position,
                length: held.length,
                key: held.key,
                ..found
            })
        }
    }
}

/// Whether what stays of the base and these chunks are the log from its start to its cut. Compaction leaves holes: there only
/// order and end can be checked.
pub(super) fn check(partition: &HarvestedPartition, chunks: &[ChunkRef]) -> Result<(), RefsError> {
    let shipped = &partition.shipped;
    let cut = partition.cut.offset();
    if shipped.log_start > cut {
        return Err(RefsError::Start {
            log_start: shipped.log_start,
            cut,
        });
    }
    let end = chunks
        .last()
        .map_or(shipped.inherited_to.max(shipped.log_start), |chunk| chunk.next_offset);
    if partition.has_gaps() {
        return if end <= cut {
            Ok(())
        } else {
            Err(RefsError::End { end, cut })
        };
    }
    // A log may start inside its first chunk: records were deleted up to there.
    let mut reached = shipped.inherited_to.max(shipped.log_start);
    for (index, chunk) in chunks.iter().enumerate() {
        let starts_inside = index == 0 && reached == shipped.log_start && chunk.base_offset <= reached;
        if chunk.base_offset != reached && !starts_inside {
            return Err(RefsError::Hole {
                from: reached,
                to: chunk.base_offset,
            });
        }
        reached = chunk.next_offset;
    }
    match partition.cut {
        Cut::Empty(_) if !chunks.is_empty() => Err(RefsError::End { end: reached, cut }),
        _ if reached != cut => Err(RefsError::End { end: reached, cut }),
        _ => Ok(()),
    }
}
