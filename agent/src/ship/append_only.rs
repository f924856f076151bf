//! Shipping a log that is only appended to.

use maxbrod_kafka::parse_leader_epochs;

use super::chunk::Known;
use super::epochs::Epochs;
use super::error::ShipError;
use super::job::{After, Job, Shipped};
use super::merge::{TailPiece, pieces_to_merge};
use super::order::{Base, Order};
use super::reader::Rules;
use super::source::{Source, Spot};
use crate::chunker;
use crate::replica::End;
use crate::state::{ChunkKind, ChunkRow};

const EPOCHS_LIMIT: u64 = 16 << 20;

/// Where reading starts, and what need not be stored of what is read.
struct Start {
    offset: i64,
    known: Known,
}

impl Job<'_> {
    /// Ships what is complete in closed segments. Returns how much was read, and whether there is more to do.
    pub(super) fn ship_closed(&mut self, must_yield: &dyn Fn() -> bool) -> Result<(u64, bool), ShipError> {
        let source = Source::live(&self.shared.catalog, self.partition)?;
        let Some(active) = source.segments.len().checked_sub(1) else {
            return Ok((0, false));
        };
        let key = &self.partition.key;
        let last = self
            .shared
            .state
            .last_chunk(self.run, key)?
            .filter(|row| row.next > source.log_start);
        let start = match last {
            // Where it does not fit any more, the final order sorts it out.
            Some(row) if !source.has(&last_of(&row))? => return Ok((0, false)),
            Some(row) => Start {
                offset: row.next,
                known: self.known_from(row.next)?,
            },
            None => {
                self.shared.state.drop_chunks_from(self.run, key, i64::MIN)?;
                let epochs = epochs_on_disk(&source);
                let to = source.active();
                // Where the base reaches into the active segment, no closed one holds anything new.
                if self
                    .partition
                    .base
                    .as_ref()
                    .is_some_and(|base| !base.match_by_id && base.end.next > to)
                {
                    return Ok((0, false));
                }
                match self.begin(&source, &epochs, to, |spot| bytes_to(&source, spot, active))? {
                    Some(start) => start,
                    None => return Ok((0, false)),
                }
            }
        };
        let Some(spot) = source.locate(start.offset)?.filter(|spot| spot.segment < active) else {
            return Ok((0, false));
        };
        check_start(&source, &spot, start.offset, self.is_contiguous())?;
        if bytes_to(&source, &spot, active)? < chunker::MIN {
            return Ok((0, false));
        }
        let rules = Rules {
            contiguous: self.is_contiguous(),
            by_segment: false,
            epochs: None,
            until: None,
            segments: active,
        };
        let mut more = false;
        let read = self.read(
            &source,
            (spot.segment, spot.frame.position),
            rules,
            &start.known,
            |draft| if draft.closed { After::GoOn } else { After::Stop },
            |_, _| {
                more = must_yield();
                if more { After::Stop } else { After::GoOn }
            },
        )?;
        Ok((read, more))
    }

    /// Ships everything up to the cut.
    pub(super) fn ship_to_cut(&mut self, order: &Order, source: &Source) -> Result<Shipped, ShipError> {
        let end = order.cut.end;
        let log_start = source.log_start;
        if log_start >= end.next {
            return Err(source.different(
                log_start,
                format!("the log now starts at {log_start}, the cut is at {}", end.next),
            ));
        }
        let Some(last) = source.locate(end.next.saturating_sub(1))? else {
            return Err(source.different(source.active(), format!("the log ends before the cut at {}", end.next)));
        };
        if last.frame.next != end.next || (last.frame.epoch, last.frame.crc) != (end.epoch, end.crc) {
            let (base, frame) = (
                source.segments.get(last.segment).map_or(0, |segment| segment.base),
                last.frame,
            );
            let found = format!("end {}, epoch {}, CRC {:08x}", frame.next, frame.epoch, frame.crc);
            let captured = format!("end {}, epoch {}, CRC {:08x}", end.next, end.epoch, end.crc);
            return Err(source.different(
                base,
                format!("the batch at the cut is not the one captured: {found} instead of {captured}"),
            ));
        }
        let mut chunks = self.chain(order, source)?;
        let start = match chunks.last() {
            Some(row) => Start {
                offset: row.next,
                known: self.known_from(row.next)?,
            },
            None => {
                let new = |spot: &Spot| Ok(source.bytes_between(spot, &last)? + last.frame.length);
                let start = self.begin(source, &order.cut.epochs, end.next, new)?;
                start.unwrap_or(Start {
                    offset: end.next,
                    known: Known::default(),
                })
            }
        };
        let start = self.merge_own(start, &mut chunks, source, &last)?;
        let inherited_to = chunks.first().map_or(start.offset, |row| row.base).max(log_start);
        let mut read = 0;
        if start.offset < end.next {
            let Some(spot) = source.locate(start.offset)? else {
                return Err(source.different(source.active(), format!("nothing is there from {} on", start.offset)));
            };
            check_start(source, &spot, start.offset, self.is_contiguous())?;
            let epochs = Some(&order.cut.epochs);
            let until = Some(end.next);
            let rules = Rules {
                contiguous: self.is_contiguous(),
                by_segment: false,
                epochs,
                until,
                segments: usize::MAX,
            };
            read = self.read(
                source,
                (spot.segment, spot.frame.position),
                rules,
                &start.known,
                |_| After::GoOn,
                |_, row| {
                    chunks.push(row);
                    After::GoOn
                },
            )?;
            let found = chunks.last().map(last_of);
            if found != Some(end) {
                return Err(source.different(
                    source.active(),
                    "the last batch read is not the one at the cut".to_owned(),
                ));
            }
        }
        let mut shipped = Shipped {
            log_start,
            inherited_to,
            chunks,
            read,
            ..Shipped::default()
        };
        self.accompany(source, end.next, &mut shipped)?;
        Ok(shipped)
    }

    fn is_contiguous(&self) -> bool {
        !self.partition.base.as_ref().is_some_and(|base| base.match_by_id)
    }

    /// What need not be stored of what is read from an offset on: nothing of the base reaches further than its end.
    fn known_from(&self, offset: i64) -> Result<Known, ShipError> {
        match &self.partition.base {
            Some(base) if offset < base.end.next => Ok(Known {
                base: self.base_ids()?,
                ..Known::default()
            }),
            _ => Ok(Known::default()),
        }
    }

    /// Where to start when nothing was shipped in this run yet: behind what the base holds if that can be trusted, else at
    /// the log's start. `new` tells how many bytes follow a place. `None`: there is nothing to read.
    fn begin(
        &self,
        source: &Source,
        epochs: &Epochs,
        to: i64,
        new: impl Fn(&Spot) -> Result<u64, ShipError>,
    ) -> Result<Option<Start>, ShipError> {
        let from_start = |known| {
            Ok(Some(Start {
                offset: source.log_start,
                known,
            }))
        };
        let Some(base) = self
            .partition
            .base
            .as_ref()
            .filter(|base| base.end.next > source.log_start)
        else {
            return from_start(Known::default());
        };
        if !is_trusted(base, source, epochs, to)? {
            tracing::info!(partition = %source.name(), "the base does not fit the log; it is read again from its start");
            return from_start(Known {
                base: self.base_ids()?,
                ..Known::default()
            });
        }
        let Some(spot) = source.locate(base.end.next)?.filter(|spot| spot.frame.base < to) else {
            return Ok(None);
        };
        let there: Vec<TailPiece> = base
            .tail
            .iter()
            .copied()
            .filter(|piece| piece.base >= source.log_start)
            .collect();
        let merged = pieces_to_merge(&there, new(&spot)?);
        let first = there.len().checked_sub(merged).and_then(|index| there.get(index));
        let offset = match first {
            Some(piece)
                if source
                    .locate(piece.base)?
                    .is_some_and(|spot| spot.frame.base == piece.base) =>
            {
                piece.base
            }
            _ => base.end.next,
        };
        Ok(Some(Start {
            offset,
            known: Known::default(),
        }))
    }

    /// What this run has shipped, as far as it still is what the log holds and fits together.
    fn chain(&self, order: &Order, source: &Source) -> Result<Vec<ChunkRow>, ShipError> {
        let key = &self.partition.key;
        let mut rows = self.shared.state.chunks(self.run, key, ChunkKind::Log)?;
        let all = rows.len();
        let below = rows.partition_point(|row| row.next <= source.log_start);
        rows.drain(..below);
        if rows
            .first()
            .is_some_and(|first| first.base > source.log_start && !self.may_start_at(first.base))
        {
            rows.clear();
        }
        let mut expected = rows.first().map(|row| row.base);
        let fits = |row: &ChunkRow| {
            let follows = expected.replace(row.next) == Some(row.base);
            let agrees = row
                .epochs
                .iter()
                .all(|run| order.cut.epochs.allow(run.epoch, run.start));
            follows && agrees && row.next <= order.cut.end.next
        };
        let fitting = rows.iter().take_while(scan(fits)).count();
        rows.truncate(fitting);
        // Log matching: if the last batch is the same, all below is.
        while let Some(last) = rows.last() {
            if source.has(&last_of(last))? {
                break;
            }
            rows.pop();
        }
        if below + rows.len() < all {
            tracing::info!(partition = %source.name(), dropped = all - below - rows.len(), "chunks shipped early do not fit the log any more");
            let from = rows.last().map_or(i64::MIN, |row| row.next);
            self.shared.state.drop_chunks_from(self.run, key, from)?;
        }
        Ok(rows)
    }

    /// Whether what was shipped may start there: behind the base, or in place of its last small chunks.
    fn may_start_at(&self, offset: i64) -> bool {
        let base = self.partition.base.as_ref();
        base.is_some_and(|base| base.end.next == offset || base.tail.iter().any(|piece| piece.base == offset))
    }

    /// Takes in the open chunks that an earlier attempt left at the end.
    fn merge_own(
        &self,
        start: Start,
        chunks: &mut Vec<ChunkRow>,
        source: &Source,
        last: &Spot,
    ) -> Result<Start, ShipError> {
        let open = chunks.iter().rev().take_while(|row| !row.closed).count();
        let tail = chunks.iter().skip(chunks.len() - open).map(|row| TailPiece {
            base: row.base,
            length: row.length,
        });
        let tail: Vec<TailPiece> = tail.collect();
        if tail.is_empty() || start.offset > last.frame.base {
            return Ok(start);
        }
        let Some(spot) = source.locate(start.offset)? else {
            return Ok(start);
        };
        let merged = pieces_to_merge(&tail, source.bytes_between(&spot, last)? + last.frame.length);
        chunks.truncate(chunks.len() - merged);
        match tail.get(tail.len() - merged) {
            Some(piece) => {
                self.shared
                    .state
                    .drop_chunks_from(self.run, &self.partition.key, piece.base)?;
                Ok(Start {
                    offset: piece.base,
                    known: self.known_from(piece.base)?,
                })
            }
            None => Ok(start),
        }
    }
}

/// `take_while` with a closure that remembers.
fn scan(mut fits: impl FnMut(&ChunkRow) -> bool) -> impl FnMut(&&ChunkRow) -> bool {
    move |row| fits(row)
}

fn last_of(row: &ChunkRow) -> End {
    End {
        next: row.next,
        epoch: row.epoch,
        crc: row.crc,
    }
}

/// Kafka's own log matching: the batch that ends where the base ends is the one recorded, and so are the epochs below it.
fn is_trusted(base: &Base, source: &Source, epochs: &Epochs, to: i64) -> Result<bool, ShipError> {
    let fits = !base.match_by_id && base.end.next <= to && base.epochs.agree(epochs, source.log_start, base.end.next);
    Ok(fits && source.has(&base.end)?)
}

/// A chunk starts with a whole batch, unless the log starts within one.
fn check_start(source: &Source, spot: &Spot, offset: i64, contiguous: bool) -> Result<(), ShipError> {
    let base = source.segments.get(spot.segment).map_or(0, |segment| segment.base);
    // Where a log was compacted once, offsets are missing within a file; the file that should hold them is not empty.
    if contiguous && base > offset && spot.frame.base > offset && spot.frame.header.is_some() {
        let missing = format!("offsets {offset} to {} are missing before it", spot.frame.base - 1);
        return Err(source.different(base, missing));
    }
    if spot.frame.base < offset && offset != source.log_start && spot.frame.header.is_some() {
        return Err(source.different(base, format!("a batch spans offset {offset}, where a chunk ended")));
    }
    Ok(())
}

/// Bytes from a place to the start of a segment.
fn bytes_to(source: &Source, spot: &Spot, segment: usize) -> Result<u64, ShipError> {
    let mut bytes = 0;
    for before in spot.segment..segment {
        bytes += source.open(before)?.1.size;
    }
    Ok(bytes.saturating_sub(spot.frame.position))
}

fn epochs_on_disk(source: &Source) -> Epochs {
    let bytes = source
        .replica
        .as_ref()
        .and_then(|replica| replica.directory.read("leader-epoch-checkpoint", EPOCHS_LIMIT).ok())
        .flatten();
    let entries = bytes
        .and_then(|bytes| parse_leader_epochs(&bytes).ok())
        .unwrap_or_default();
    Epochs::from(entries.as_slice())
}
