//! Runs a real Kafka cluster on loopback, puts load on it and compares what it holds, record by record.
//!
//! ```text
//! Distribution  the jars, by Maven or from an installation
//! Cluster       nodes as child processes, their directories, configuration and logs
//! Client        Kafka's Admin, producers and consumers, driven through small Java programs (lab/java)
//! Workload      what is created and what is written while a snapshot runs; LoadHandle is the running load
//! Dump          every record of a cluster by offset; compare judges a restored one against its original
//! ```
//!
//! Everything blocks: processes are waited for, not polled by a runtime. From async code use `spawn_blocking`.
//! For tests, the demo and benchmarks only; no daemon depends on this crate.

#![forbid(unsafe_code)]

mod acknowledged;
mod action;
mod client;
mod cluster;
mod compare;
mod describe;
mod distribution;
mod dump;
mod error;
mod java;
mod load;
mod old_clients;
mod operator;
mod partition;
mod process;
mod programs;
mod setup;
mod workload;

pub use acknowledged::{Acknowledged, Acknowledgement, Commit, Outcome};
pub use action::Action;
pub use client::{Client, SmokeReport};
pub use cluster::{Cluster, ClusterSpec, LogProblem, Node, NodeId, NodeSpec, Role, Voters};
pub use compare::{
    Cuts, Moment, Options, Problem, Report, Verdict, chain_violations, compare, judge_moment, missing_acknowledged,
    torn_transactions,
};
pub use describe::{ClusterDescription, Difference, PartitionDescription, TopicDescription};
pub use distribution::Distribution;
pub use dump::{Dump, PartitionDump, Record, TimestampType, TransactionTag};
pub use error::LabError;
pub use java::Java;
pub use load::{LoadCounters, LoadHandle, LoadSummary};
pub use old_clients::{OldClient, OldClients, OldTellers};
pub use operator::Operator;
pub use partition::TopicPartition;
pub use programs::{Finished, Programs, agent_name};
pub use setup::{AclSpec, QuotaSpec, ScramUserSpec, Setup, TopicSpec};
pub use workload::{
    ChainSpec, Codec, CompactedSpec, DeleteRecordsSpec, GroupProtocol, GroupSpec, LoadSpec, PlainSpec, SchemasSpec,
    ShareSpec, TransactionalSpec, Workload,
};
