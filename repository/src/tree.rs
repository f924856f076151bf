//! The manifest tree: what a snapshot consists of.
//!
//! Root → topics → partitions → leaves of chunk references. A node is named by where it lies and by its content id, and
//! is shared with the base when nothing in it changed: little change, little written. So that it stays the same when
//! something else grows or shrinks, a node ends where its content says (a hash that falls below a bound), not after a
//! fixed count. A reference says where its chunk lies; there is no index over all chunks.

mod chunk_ref;
mod node;
mod partition;
mod reader;
mod table;
#[cfg(test)]
mod tests;
mod writer;

pub use chunk_ref::ChunkRef;
pub use node::NodeRef;
pub use partition::{BatchEnd, End, PartitionKind, PartitionRecord, ProducerSnapshot};
pub use reader::{Partition, PartitionSlot, TopicEntry, Topics, Tree};
pub use writer::{Inherited, MetadataImage, PackInfo, RootRecord, TreeWriter, WrittenTree};

/// A leaf has no more chunks.
pub const MAX_LEAF: usize = 1024;
/// One chunk in so many ends its leaf.
const LEAF_MEAN: u8 = 128;
/// A node of topics has no more of them…
const MAX_TOPICS: usize = 512;
/// …and no more partitions.
const MAX_PARTITIONS: usize = 4096;
/// One topic in so many ends its node.
const TOPICS_MEAN: u8 = 64;
/// Packs in one node of the list of packs.
const PACKS_IN_NODE: usize = 4096;
/// An object of nodes is finished when it is that long.
const TREE_OBJECT: usize = 8 << 20;
/// No node is longer.
const MAX_NODE: u64 = 256 << 20;

/// Decodes bytes as each kind of node, and throws the result away.
#[cfg(feature = "fuzzing")]
pub(crate) fn decode_any(bytes: &[u8]) {
    use maxbrod_proto::manifest;
    use prost::Message as _;

    let _ = manifest::Leaf::decode(bytes).map(|leaf| chunk_ref::decode_leaf(&leaf));
    let _ = manifest::Topics::decode(bytes).map(|topics| reader::decode_topics(&topics));
    let _ = manifest::Partition::decode(bytes).map(|partition| PartitionRecord::decode(&partition));
}

/// Whether a node ends with this item: one in `mean` (a power of two) does, decided by a uniformly distributed byte.
fn ends_node(byte: u8, mean: u8) -> bool {
    byte & (mean - 1) == 0
}
