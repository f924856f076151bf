//! Pinning a whole node for nothing but the time that it takes.

use std::io;

use super::{PinDirectory, Pins, take};
use crate::config::Config;
use crate::log_dir::{Catalog, Replica};
use crate::node::Node;
use crate::partition::PartitionKey;

/// Pins every partition of a node as a phase does, without a coordinator. For benchmarks.
#[derive(Debug)]
pub struct PinRehearsal {
    catalog: Catalog,
    pins: Pins,
    keys: Vec<PartitionKey>,
}

impl PinRehearsal {
    /// Opens the configured node and lists its segments, which a phase has done before it pins.
    pub fn new(config: &Config) -> io::Result<Self> {
        let node = Node::read(config).map_err(io::Error::other)?;
        let catalog = Catalog::new(node.log_dirs.clone());
        if let Some((_, error)) = catalog.walk().into_iter().next() {
            return Err(error);
        }
        let keys = catalog.keys();
        for key in &keys {
            let replica = open(&catalog, *key)?;
            catalog.settled_listing(&replica).map_err(io::Error::other)?;
        }
        Ok(Self {
            catalog,
            pins: Pins::new(node.log_dirs.iter().map(PinDirectory::prepare).collect())?,
            keys,
        })
    }

    /// Pins everything. Returns how many files that were.
    pub fn pin(&self) -> io::Result<u64> {
        for key in &self.keys {
            let replica = open(&self.catalog, *key)?;
            let directory = self.pins.directory(&replica.log_dir.id);
            let directory = directory.ok_or_else(|| io::Error::other("its log dir has no place for pins"))?;
            let pinned = take(&self.catalog, &replica, directory, 1, 1, i64::MIN, 0);
            self.pins.hold(*key, pinned.map_err(io::Error::other)?);
        }
        Ok(self.pins.total().files)
    }

    /// Lets go of everything.
    pub fn release(&self) {
        self.pins.release_all();
    }
}

fn open(catalog: &Catalog, key: PartitionKey) -> io::Result<Replica> {
    catalog.open(key, None).map_err(io::Error::other)
}
