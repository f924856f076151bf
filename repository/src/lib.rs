//! The backup repository: journal, keys, sealed blobs, packs and the manifest tree, over an object store.
//!
//! docs/FORMAT.md describes every byte that this crate writes.

#![forbid(unsafe_code)]

mod config;
mod environment;
mod error;
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
mod tls;
mod tree;

pub use config::{Config, Encryption, FORMAT_VERSION};
pub use environment::{Clock, Environment, Random, SystemClock, SystemRandom};
pub use error::{Error, ErrorKind, RecipientList, Result};
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
