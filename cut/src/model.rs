//! A model of Kafka's transaction protocol, to test the cut against.
//!
//! Brokers append, replicate, fail over and truncate; transaction coordinators store states, send markers, replay their log
//! after a failover and fence; clients of transaction versions 2 and 0/1 write, consume, commit, abort and crash; groups commit
//! offsets; logs are cleaned; topics are deleted and created again. All of it one small step at a time, in random order. A
//! snapshot is captured in between, phase by phase, with steps between any two partitions. The checker then restores the cut,
//! does what coordinators do with it (K§6.2), and compares with what really happened. It shares no code with the solver.
//!
//! Sources: KIP-98, KIP-890, `TransactionCoordinator`, `TransactionMetadata`, `TransactionStateManager`, `ProducerAppendInfo`.
//! Left out on purpose: unclean elections; a repeated marker of version 0/1 that ends a later transaction of the same epoch
//! (Kafka's own fault, which KIP-890 mends); a commit of version 0/1 without records in a partition it registered (K§6.7).

mod capturing;
mod checker;
mod clients;
mod coordinator;
mod dice;
mod groups;
mod log;
mod tests;
mod world;
