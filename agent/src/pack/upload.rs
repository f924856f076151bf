//! Uploading sealed packs, until each is confirmed or lost.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use maxbrod_proto::agent as wire;
use maxbrod_repository::{Grant, PackName, UploadOutcome, Uploader};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

use super::Packer;
use crate::link::{Link, Links, connected};
use crate::state::SealedPack;

/// Uploads at the same time.
const PARALLEL: usize = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Refusals after which the spool file is suspected.
const SUSPICIOUS: u32 = 3;

/// Uploads what comes in, until the sender is gone.
pub(crate) async fn upload_packs(
    packer: Arc<Packer>,
    mut sealed: mpsc::UnboundedReceiver<SealedPack>,
    uploader: Uploader,
    links: Links,
) {
    let parallel = Arc::new(Semaphore::new(PARALLEL));
    let mut running = tokio::task::JoinSet::new();
    while let Some(pack) = sealed.recv().await {
        let Ok(permit) = Arc::clone(&parallel).acquire_owned().await else {
            return;
        };
        while running.try_join_next().is_some() {}
        let upload = Upload {
            packer: Arc::clone(&packer),
            uploader: uploader.clone(),
            links: links.clone(),
            pack,
        };
        running.spawn(async move {
            upload.run().await;
            drop(permit);
        });
    }
}

struct Upload {
    packer: Arc<Packer>,
    uploader: Uploader,
    links: Links,
    pack: SealedPack,
}

/// What a try came to.
enum Try {
    Stored(PackName),
    Lost(String),
    /// The reason, and whether it is about the bytes.
    Again(String, bool),
}

impl Upload {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        let mut refusals = 0;
        loop {
            if !self.packer.path(self.pack.id).exists() {
                self.packer.lose(self.pack.id, "its spool file is gone".to_owned());
                break;
            }
            let Some(link) = connected(&mut self.links).await else {
                return;
            };
            match self.attempt(&link).await {
                Try::Stored(name) => {
                    if let Err(error) = self.packer.arrived(&self.pack, name) {
                        tracing::error!(pack = self.pack.id.0, %error, "an uploaded pack cannot be remembered");
                    }
                    break;
                }
                Try::Lost(reason) => {
                    tracing::warn!(pack = self.pack.id.0, reason, "a pack is given up");
                    self.packer.lose(self.pack.id, reason);
                    break;
                }
                Try::Again(reason, about_bytes) => {
                    tracing::warn!(pack = self.pack.id.0, reason, ?pause, "a pack is not uploaded yet");
                    refusals += u32::from(about_bytes);
                    if refusals >= SUSPICIOUS && self.is_damaged().await {
                        self.packer.lose(self.pack.id, "its spool file is damaged".to_owned());
                        break;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        // Its place among those waiting; packs resumed at the start never took one, and make a little more room.
        self.packer.room.add_permits(1);
    }

    async fn attempt(&self, link: &Link) -> Try {
        if link.open_run() != self.pack.run {
            return Try::Lost(format!("run {} is over", self.pack.run));
        }
        if let Err(status) = self.store_key(link).await {
            return Try::Again(format!("store its key: {}", status.message()), false);
        }
        let mut client = link.client.clone();
        let request = wire::GrantRequest {
            session: link.session,
            run: self.pack.run,
            length: self.pack.length,
            sha256: self.pack.sha256.to_vec().into(),
        };
        let reply = match client.grant(request).await {
            Ok(reply) => reply.into_inner(),
            Err(status) => return Try::Again(format!("no grant: {}", status.message()), false),
        };
        let Some(name) = reply.pack else {
            return Try::Again("the grant has no name".to_owned(), false);
        };
        let grant = Grant {
            url: reply.url,
            method: reply.method,
            headers: reply.headers.into_iter().collect(),
            expires_in: Duration::from_secs(reply.expires_in_seconds),
        };
        let outcome = match self.uploader.upload(&grant, &self.packer.path(self.pack.id)).await {
            Ok(outcome) => outcome,
            Err(error) => return Try::Again(error.to_string(), true),
        };
        // Whatever the store said, the coordinator looks.
        let request = wire::ConfirmPackRequest {
            session: link.session,
            pack: Some(name),
            length: self.pack.length,
            sha256: self.pack.sha256.to_vec().into(),
        };
        match (client.confirm_pack(request).await, outcome) {
            (Ok(reply), _) if reply.get_ref().stored => Try::Stored(PackName {
                run: name.run,
                epoch: name.epoch,
                sequence: name.sequence,
            }),
            (Ok(_), UploadOutcome::Refused { status, message }) => {
                Try::Again(format!("the store answered {status}: {message}"), true)
            }
            (Ok(_), UploadOutcome::Unknown { reason }) => Try::Again(reason, false),
            (Ok(_), UploadOutcome::Stored | UploadOutcome::AlreadyThere) => Try::Again(
                "the store says that it has it, the coordinator does not find it".to_owned(),
                false,
            ),
            (Err(status), _) => Try::Again(format!("no confirmation: {}", status.message()), false),
        }
    }

    /// The key's wrapped copy must be in the repository before anything that was sealed with it.
    async fn store_key(&self, link: &Link) -> Result<(), tonic::Status> {
        let Some(key) = self.pack.key else { return Ok(()) };
        let internal = |error: crate::state::StateError| tonic::Status::internal(error.to_string());
        let Some(wrapped) = self.packer.state.unstored_key(&key.0).map_err(internal)? else {
            return Ok(());
        };
        let request = wire::StoreKeyRequest {
            session: link.session,
            key_id: key.0.to_vec().into(),
            wrapped: wrapped.into(),
        };
        link.client.clone().store_key(request).await?;
        self.packer.state.key_stored(&key.0).map_err(internal)
    }

    async fn is_damaged(&self) -> bool {
        let (path, pack) = (self.packer.path(self.pack.id), self.pack.clone());
        let check = tokio::task::spawn_blocking(move || {
            hash_of(&path).is_ok_and(|(length, hash)| (length, hash) == (pack.length, pack.sha256))
        });
        !check.await.unwrap_or(false)
    }
}

fn hash_of(path: &Path) -> std::io::Result<(u64, [u8; 32])> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut length = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((length, hash.finalize().into()));
        }
        length += read as u64;
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}
