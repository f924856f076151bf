//! The records at the end of a log that is not followed.

use std::io;

use super::cursor::{After, Cursor, Halt};
use super::entry::Entry;
use super::error::RecordsError;
use super::follower::LARGEST;
use super::topic::CoordinatorTopic;
use crate::log_dir::{Catalog, Replica};
use crate::replica::{End, Observed, Segment};

/// How often reading begins again before it is given up.
const RESTARTS: u32 = 3;

/// The records from `since` to the log's end as it was observed, those that are reported of the topic; `None`: that log is not
/// there any more.
pub(crate) fn records_since(
    catalog: &Catalog,
    replica: &Replica,
    topic: CoordinatorTopic,
    since: i64,
    observed: &Observed,
) -> Result<Option<Vec<Entry>>, RecordsError> {
    let Some(last) = observed.ends.last().filter(|last| last.next > since) else {
        return Ok(Some(Vec::new()));
    };
    for _ in 0..RESTARTS {
        match read(catalog, replica, topic, since, *last) {
            Ok((end, entries)) => return Ok((end == Some(*last)).then_some(entries)),
            Err(Halt::Changed) => catalog.list_again(replica).map(drop)?,
            Err(Halt::Error(error)) => return Err(error),
        }
    }
    Err(RecordsError::Changing {
        partition: replica.name(),
    })
}

/// Also tells the last batch that was read.
fn read(
    catalog: &Catalog,
    replica: &Replica,
    topic: CoordinatorTopic,
    since: i64,
    until: End,
) -> Result<(Option<End>, Vec<Entry>), Halt> {
    let Some(mut cursor) = start(catalog, replica, since)? else {
        return Ok((None, Vec::new()));
    };
    let (mut last, mut entries, mut bytes) = (None, Vec::new(), 0);
    cursor.read_on(catalog, replica, None, u64::MAX, |end, batch| {
        if end.next > until.next {
            return Ok(After::Stop);
        }
        let all = Entry::all_of(batch).map_err(|reason| RecordsError::Batch {
            partition: replica.name(),
            offset: batch.base_offset().0,
            reason,
        })?;
        let wanted = all
            .into_iter()
            .filter(|entry| entry.offset >= since && topic.wants(entry.key()));
        for entry in wanted {
            bytes += entry.size();
            entries.push(entry);
        }
        if bytes > LARGEST {
            return Err(RecordsError::TooMany {
                partition: replica.name(),
                from: since,
                limit: LARGEST,
            });
        }
        last = Some(end);
        Ok(if end.next == until.next {
            After::Stop
        } else {
            After::GoOn
        })
    })?;
    cursor.verify(replica)?;
    Ok((last, entries))
}

/// At the first batch that ends above an offset, if there is one.
fn start(catalog: &Catalog, replica: &Replica, since: i64) -> Result<Option<Cursor>, Halt> {
    let listing = catalog.settled_listing(replica)?;
    for base in listing.covering(since) {
        let unreadable = |error| Halt::from(replica.unreadable("its segments", error));
        let segment = match Segment::open(&replica.directory, *base) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Halt::Changed),
            other => other.map_err(unreadable)?,
        };
        if let Some(frame) = segment.first_above(since, None).map_err(unreadable)? {
            return Ok(Some(Cursor::at(*base, frame.position)));
        }
    }
    Ok(None)
}
