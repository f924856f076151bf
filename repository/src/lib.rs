//! The backup repository: journal, keys, sealed blobs, packs and the manifest tree, over an object store.
//!
//! docs/FORMAT.md describes every byte that this crate writes.

#![forbid(unsafe_code)]

mod chunk_reader;
mod conditional;
mod config;
mod document;
mod environment;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod gc;
mod id;
mod identity;
mod journal;
mod key;
mod location;
mod name;
mod pack;
mod repository;
mod seal;
mod store;
#[cfg(feature = "test-server")]
pub mod testing;
mod tls;
mod tree;
mod upload;
mod verify;

pub use chunk_reader::ChunkReader;
pub use conditional::{StoreCheck, check_store};
pub use config::{Config, Encryption, FORMAT_VERSION};
pub use environment::{Clock, Environment, Random, SystemClock, SystemRandom};
pub use error::{Error, ErrorKind, RecipientList, Result, with_causes};
pub use id::{ContentId, Hash, KeyId, Nonce, RepositoryId};
pub use identity::{Identities, Recipient};
pub use journal::{
    Appended, CHECKPOINT_EVERY, Committed, Configured, Consistency, Entry, Event, Journal, JournalFinding,
    JournalReport, JournalState, Mark, OpenRun, RootRef, Snapshot, SnapshotTotals, genesis, verify_journal,
};
pub use key::{IdKey, KeyObject, KeyPurpose, KeyStore, SealingKey};
pub use location::Location;
pub use name::{ClusterNames, PackName, RootName, SnapshotId, TreeName};
pub use pack::{FinishedPack, Footer, PackEntry, PackReader, PackWriter, TARGET_LENGTH};
pub use repository::{Cluster, InitOptions, Repository};
pub use seal::{Compression, Expected, MAX_BODY, OVERHEAD, Opener, Role, Sealer, open};
pub use store::{Created, ObjectInfo, Store};
pub use tree::{
    BatchEnd, ChunkRef, End, Inherited, MAX_LEAF, MetadataImage, NodeRef, PackInfo, Partition, PartitionKind,
    PartitionRecord, PartitionSlot, ProducerSnapshot, RootRecord, TopicEntry, Topics, Tree, TreeWriter, WrittenTree,
};
pub use upload::{
    Accepted, Confirmation, GRANT_VALIDITY, Grant, Granter, LocalUploads, Rejection, SigningGranter, UploadOutcome,
    Uploader, confirm,
};
pub use verify::{Finding, Level, VerifyCounts, VerifyProgress, VerifyReport, verify_snapshot};
