//! Packs on their way: filled in the spool by retention class, sealed, granted a name, uploaded, confirmed.

mod upload;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use maxbrod_proto::agent::RetentionClass;
use maxbrod_repository::{KeyId, PackName, PackWriter};
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::partition::PartitionKey;
use crate::state::{ChunkKind, ChunkRow, PackId, Place, SealedPack, State, StateError};

pub(crate) use upload::upload_packs;

#[cfg(test)]
mod tests;

/// Complete packs that may wait for their upload. With the open ones they bound what the spool takes to half a gigabyte.
const WAITING: usize = 4;
const BUFFER: usize = 256 << 10;

/// Why a chunk cannot be packed, or its pack did not arrive.
#[derive(Clone, Debug, Error)]
pub(crate) enum PackError {
    /// The spool cannot be written.
    #[error("write to the spool {}: {reason}; make room there or correct state_dir", path.display())]
    Spool { path: PathBuf, reason: String },
    /// The database failed.
    #[error("{0}")]
    State(String),
    /// The repository's code refused.
    #[error("{0}")]
    Repository(String),
    /// The pack's run is over, or its spool file was damaged: its chunks have to be shipped anew.
    #[error("upload pack {}: {reason}", id.0)]
    Lost { id: PackId, reason: String },
    /// The agent stops.
    #[error("the agent is stopping")]
    Stopping,
}

impl From<StateError> for PackError {
    fn from(error: StateError) -> Self {
        Self::State(error.to_string())
    }
}

impl From<maxbrod_repository::Error> for PackError {
    fn from(error: maxbrod_repository::Error) -> Self {
        Self::Repository(error.to_string())
    }
}

/// What became of a pack.
#[derive(Clone, Debug)]
enum Fate {
    Pending,
    Stored(PackName),
    Lost(String),
}

/// What a chunk is of, and for how long it is expected to be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) run: u64,
    pub(crate) class: RetentionClass,
    pub(crate) partition: PartitionKey,
    pub(crate) kind: ChunkKind,
}

#[derive(Debug)]
struct OpenPack {
    id: PackId,
    run: u64,
    key: Option<KeyId>,
    writer: PackWriter<BufWriter<File>>,
}

/// Fills packs and knows what became of them.
#[derive(Debug)]
pub(crate) struct Packer {
    spool: PathBuf,
    state: Arc<State>,
    open: Mutex<HashMap<RetentionClass, OpenPack>>,
    fates: Mutex<HashMap<PackId, watch::Sender<Fate>>>,
    sealed: mpsc::UnboundedSender<SealedPack>,
    room: Semaphore,
    runtime: tokio::runtime::Handle,
    /// Uploaded in the open run.
    stored: AtomicU64,
}

impl Packer {
    /// Takes over the spool in `state_dir`: what was complete is uploaded after all, the rest goes. The packs to be uploaded
    /// come out of the receiver.
    pub(crate) fn new(
        state_dir: &Path,
        state: Arc<State>,
        runtime: tokio::runtime::Handle,
    ) -> Result<(Self, mpsc::UnboundedReceiver<SealedPack>), PackError> {
        let spool = state_dir.join("spool");
        let failed = |reason: io::Error| PackError::Spool {
            path: spool.clone(),
            reason: reason.to_string(),
        };
        std::fs::create_dir_all(&spool).map_err(failed)?;
        let (sealed, receiver) = mpsc::unbounded_channel();
        let packer = Self {
            spool: spool.clone(),
            state,
            open: Mutex::default(),
            fates: Mutex::default(),
            sealed,
            room: Semaphore::new(WAITING),
            runtime,
            stored: AtomicU64::new(0),
        };
        let complete = packer.state.sealed_packs()?;
        for entry in std::fs::read_dir(&spool).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let id = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(PackId::from_file_name);
            if !id.is_some_and(|id| complete.iter().any(|pack| pack.id == id)) {
                std::fs::remove_file(&path).map_err(failed)?;
            }
        }
        for pack in complete {
            tracing::info!(
                pack = pack.id.0,
                run = pack.run,
                length = pack.length,
                "resuming the upload of a pack"
            );
            packer.submit(pack);
        }
        Ok((packer, receiver))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<RetentionClass, OpenPack>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fates(&self) -> MutexGuard<'_, HashMap<PackId, watch::Sender<Fate>>> {
        self.fates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a pack's bytes are.
    fn path(&self, id: PackId) -> PathBuf {
        self.spool.join(id.file_name())
    }

    /// Appends a sealed chunk to the open pack of its class, and remembers it. `chunk.place` is filled in. Blocks while too
    /// many packs wait for their upload.
    pub(crate) fn add(
        &self,
        label: &Label,
        data_key: Option<KeyId>,
        sealed: &[u8],
        chunk: &mut ChunkRow,
    ) -> Result<(), PackError> {
        let Label {
            run,
            class,
            partition,
            kind,
        } = *label;
        let fits =
            |pack: &OpenPack| pack.run == run && pack.key == data_key && pack.writer.has_room(sealed.len() as u64);
        let mut open = self.open();
        while open.get(&class).is_some_and(|pack| !fits(pack)) {
            let full = open.remove(&class);
            // Sealing waits for room; others may fill packs of other classes meanwhile.
            drop(open);
            full.map_or(Ok(()), |full| self.seal(full))?;
            open = self.open();
        }
        let pack = match open.entry(class) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(self.begin(run, data_key)?),
        };
        let entry = pack.writer.append(chunk.id, data_key, sealed)?;
        chunk.place = Place::Pack {
            pack: pack.id,
            position: entry.position,
            length: entry.length,
            key: data_key,
        };
        self.state.add_chunk(run, &partition, kind, chunk)?;
        Ok(())
    }

    fn begin(&self, run: u64, key: Option<KeyId>) -> Result<OpenPack, PackError> {
        let id = self.state.begin_pack(run, key)?;
        let path = self.path(id);
        let file = File::create_new(&path).map_err(|reason| PackError::Spool {
            path,
            reason: reason.to_string(),
        })?;
        self.fates().insert(id, watch::Sender::new(Fate::Pending));
        Ok(OpenPack {
            id,
            run,
            key,
            writer: PackWriter::new(BufWriter::with_capacity(BUFFER, file)),
        })
    }

    fn seal(&self, pack: OpenPack) -> Result<(), PackError> {
        let OpenPack { id, run, key, writer } = pack;
        match self.runtime.block_on(self.room.acquire()) {
            Ok(permit) => permit.forget(),
            Err(_) => return Err(PackError::Stopping),
        }
        let (finished, _) = writer.finish()?;
        let pack = SealedPack {
            id,
            run,
            length: finished.length,
            sha256: finished.sha256,
            key,
        };
        self.state.seal_pack(&pack)?;
        self.submit(pack);
        Ok(())
    }

    fn submit(&self, pack: SealedPack) {
        self.fates()
            .entry(pack.id)
            .or_insert_with(|| watch::Sender::new(Fate::Pending));
        // Without a receiver the agent is stopping; the next start finds the pack in the spool.
        let _ = self.sealed.send(pack);
    }

    /// Seals all packs that hold something, however small. Blocks like [`Self::add`].
    pub(crate) fn flush(&self) -> Result<(), PackError> {
        let packs: Vec<OpenPack> = self.open().drain().map(|(_, pack)| pack).collect();
        packs.into_iter().try_for_each(|pack| self.seal(pack))
    }

    /// Waits until a pack is in the repository.
    pub(crate) async fn stored(&self, id: PackId) -> Result<PackName, PackError> {
        let lost = |reason: &str| PackError::Lost {
            id,
            reason: reason.to_owned(),
        };
        let fate = self.fates().get(&id).map(watch::Sender::subscribe);
        let Some(mut fate) = fate else {
            return self.state.pack_name(id)?.ok_or_else(|| lost("it is forgotten"));
        };
        let decided = fate
            .wait_for(|fate| !matches!(fate, Fate::Pending))
            .await
            .map(|fate| fate.clone());
        match decided {
            Ok(Fate::Stored(name)) => Ok(name),
            Ok(Fate::Lost(reason)) => Err(lost(&reason)),
            // The sender went before it was decided.
            Ok(Fate::Pending) | Err(_) => self.state.pack_name(id)?.ok_or_else(|| lost("its run is over")),
        }
    }

    /// Forgets what was shipped in every run but this one.
    pub(crate) fn keep_only_run(&self, run: u64) -> Result<(), PackError> {
        let gone: Vec<OpenPack> = {
            let mut open = self.open();
            let classes: Vec<RetentionClass> = open
                .iter()
                .filter(|(_, pack)| pack.run != run)
                .map(|(class, _)| *class)
                .collect();
            classes.iter().filter_map(|class| open.remove(class)).collect()
        };
        drop(gone);
        let forgotten = self.state.keep_only_run(run)?;
        if !forgotten.is_empty() {
            self.stored.store(0, Ordering::Relaxed);
        }
        for id in forgotten {
            self.settle(id, Fate::Lost("its run is over".to_owned()));
        }
        Ok(())
    }

    /// Bytes uploaded in the open run.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// A pack is in the repository.
    fn arrived(&self, pack: &SealedPack, name: PackName) -> Result<(), PackError> {
        self.state.pack_stored(pack.id, name)?;
        self.stored.fetch_add(pack.length, Ordering::Relaxed);
        self.settle(pack.id, Fate::Stored(name));
        Ok(())
    }

    /// A pack can't be uploaded; its chunks are to be shipped anew.
    fn lose(&self, id: PackId, reason: String) {
        if let Err(error) = self.state.drop_pack(id) {
            tracing::error!(pack = id.0, %error, "a lost pack cannot be forgotten");
        }
        self.settle(id, Fate::Lost(reason));
    }

    fn settle(&self, id: PackId, fate: Fate) {
        if let Err(error) = std::fs::remove_file(self.path(id))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(pack = id.0, %error, "a pack's spool file cannot be removed");
        }
        if let Some(sender) = self.fates().remove(&id) {
            sender.send_replace(fate);
        }
    }

    /// Lets whoever waits for room give up: the agent stops.
    pub(crate) fn stop(&self) {
        self.room.close();
    }
}
