//! Reading and writing a journal in a store.

use super::entry::{Entry, genesis};
use super::event::Event;
use super::state::JournalState;
use super::{CHECKPOINT_EVERY, Snapshot};
use crate::error::{Error, Result};
use crate::id::{Hash, Nonce};
use crate::name::{SnapshotId, entry_number};
use crate::repository::Cluster;
use crate::store::Created;

/// A cluster's journal, read up to some entry.
#[derive(Clone, Debug)]
pub struct Journal {
    cluster: Cluster,
    state: JournalState,
    held_epoch: Option<u64>,
}

/// What became of an attempt to append.
#[derive(Clone, Debug, PartialEq)]
pub enum Appended {
    /// The event is in the journal, as this entry.
    Written(Box<Entry>),
    /// Someone else took the number. The state now holds what they wrote: decide again.
    Lost,
}

impl Journal {
    /// Reads the journal; an empty one if there is none.
    pub async fn load(cluster: &Cluster) -> Result<Self> {
        let names = cluster.names();
        let numbers = listed(cluster).await?;
        let state = JournalState::new(genesis(cluster.repository().id(), cluster.id()));
        let mut journal = Self {
            cluster: cluster.clone(),
            state,
            held_epoch: None,
        };
        let Some(&last) = numbers.last() else {
            return Ok(journal);
        };
        // Numbers ascend without a gap, or an entry is missing.
        if let Some((expected, _)) = (0..).zip(&numbers).find(|(expected, number)| expected != *number) {
            return Err(Error::Missing {
                object: names.entry(expected),
            });
        }
        let start = last / CHECKPOINT_EVERY * CHECKPOINT_EVERY;
        if start > 0 {
            let object = names.entry(start);
            let entry = Entry::decode(&cluster.store().get(&object).await?, &object)?;
            let Some(checkpoint) = entry.checkpoint else {
                return Err(Error::damaged(object, "it lacks its checkpoint"));
            };
            if checkpoint.next != start || checkpoint.genesis != journal.state.genesis {
                return Err(Error::damaged(
                    object,
                    "its checkpoint is of another entry or another cluster",
                ));
            }
            journal.state = *checkpoint;
        }
        for n in start..=last {
            let object = names.entry(n);
            let bytes = cluster.store().get(&object).await?;
            journal.apply(&bytes, &object)?;
        }
        journal.refresh().await?;
        Ok(journal)
    }

    /// What the entries read so far add up to.
    pub fn state(&self) -> &JournalState {
        &self.state
    }

    /// Whose it is.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The epoch that this journal's holder took.
    pub fn held_epoch(&self) -> Option<u64> {
        self.held_epoch
    }

    /// Reads what others wrote since; returns how many entries.
    pub async fn refresh(&mut self) -> Result<u64> {
        let before = self.state.next;
        loop {
            let object = self.cluster.names().entry(self.state.next);
            let Some(bytes) = self.cluster.store().find(&object).await? else {
                break;
            };
            self.apply(&bytes, &object)?;
        }
        Ok(self.state.next - before)
    }

    /// Takes the next epoch for `holder`: from then on every older one is fenced off. Whoever competes for it, one wins
    /// first and the other takes the next.
    pub async fn take_epoch(&mut self, holder: &str) -> Result<u64> {
        loop {
            let epoch = self.state.epoch + 1;
            let event = Event::Epoch {
                holder: holder.to_owned(),
            };
            if let Appended::Written(_) = self.write(event, epoch).await? {
                self.held_epoch = Some(epoch);
                return Ok(epoch);
            }
        }
    }

    /// Appends an event, if nobody else wrote in the meantime.
    ///
    /// [`Error::Uncertain`]: it is not known whether the entry was written. Refresh and look.
    pub async fn append(&mut self, event: Event) -> Result<Appended> {
        if event.needs_epoch() && self.held_epoch != Some(self.state.epoch) {
            return Err(self.fenced());
        }
        self.write(event, self.state.epoch).await
    }

    /// Appends an event, again and again where others take the number, for as long as the rules allow it.
    pub async fn append_until_written(&mut self, event: Event) -> Result<Entry> {
        loop {
            if let Appended::Written(entry) = self.append(event.clone()).await? {
                return Ok(*entry);
            }
        }
    }

    /// An error if another coordinator took over. Asks the store.
    pub async fn check_epoch(&mut self) -> Result<()> {
        self.refresh().await?;
        if self.held_epoch != Some(self.state.epoch) {
            return Err(self.fenced());
        }
        Ok(())
    }

    /// A snapshot by its name, or by the word `latest`.
    pub fn snapshot(&self, name: &str) -> Result<&Snapshot> {
        let error = |reason: &str| Error::NoSuchSnapshot {
            snapshot: name.to_owned(),
            reason: reason.to_owned(),
        };
        if name == "latest" {
            return self.state.newest().ok_or_else(|| error("there is none yet"));
        }
        let id: SnapshotId = name.parse()?;
        self.state
            .snapshot(&id)
            .ok_or_else(|| error("it was never committed, or it was deleted"))
    }

    /// All entries, for the audit trail. Reads each of them.
    pub async fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for n in 0..self.state.next {
            let object = self.cluster.names().entry(n);
            entries.push(Entry::decode(&self.cluster.store().get(&object).await?, &object)?);
        }
        Ok(entries)
    }

    async fn write(&mut self, event: Event, epoch: u64) -> Result<Appended> {
        let environment = self.cluster.repository().environment();
        let n = self.state.next;
        let due = n != 0 && n.is_multiple_of(CHECKPOINT_EVERY);
        let entry = Entry {
            n,
            previous: self.state.head,
            epoch,
            time: environment.clock.now(),
            nonce: Nonce::random(environment.random.as_ref()),
            writer: environment.writer.clone(),
            software: environment.software.clone(),
            event,
            checkpoint: due.then(|| Box::new(self.state.clone())),
        };
        let object = self.cluster.names().entry(n);
        let bytes = entry.encode(&object)?;
        // What others would refuse to read is not written.
        let mut state = self.state.clone();
        let forbidden = |reason| Error::Forbidden {
            event: entry.event.kind(),
            reason,
        };
        state.apply(&entry, Hash::of(&bytes)).map_err(forbidden)?;
        match self.cluster.store().create(&object, bytes).await? {
            // The nonce makes our bytes unlike anyone else's: the same bytes are this very attempt.
            Created::Stored => {
                self.state = state;
                Ok(Appended::Written(Box::new(entry)))
            }
            Created::Taken(_) => {
                self.refresh().await?;
                Ok(Appended::Lost)
            }
        }
    }

    fn apply(&mut self, bytes: &[u8], object: &str) -> Result<()> {
        let entry = Entry::decode(bytes, object)?;
        self.state
            .apply(&entry, Hash::of(bytes))
            .map_err(|reason| Error::damaged(object, reason))
    }

    fn fenced(&self) -> Error {
        Error::Fenced {
            held: self.held_epoch.unwrap_or_default(),
            newest: self.state.epoch,
            holder: self.state.holder.clone(),
        }
    }
}

/// The numbers of the entries that there are, ascending.
pub(super) async fn listed(cluster: &Cluster) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for info in cluster.store().list(&cluster.names().journal()).await? {
        let number = entry_number(&info.name);
        numbers.push(number.ok_or_else(|| Error::damaged(&info.name, "it is no journal entry's name"))?);
    }
    Ok(numbers)
}
