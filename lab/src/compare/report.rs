//! What a comparison found.

use std::fmt;

use crate::partition::TopicPartition;

/// The outcome of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Partitions compared.
    pub partitions: usize,
    /// Records that both sides hold at the same offset.
    pub records: usize,
    /// Those of them that are the same in everything.
    pub identical: usize,
    /// Restored records that the original no longer tells about: below its log start, or compacted away.
    pub unjudged: usize,
    /// Records committed in the original whose transaction was open at the cut; the restored cluster aborts it.
    pub undecided: usize,
    /// Restored partitions in which a transaction is still open.
    pub open: Vec<TopicPartition>,
    /// All that must not be.
    pub problems: Vec<Problem>,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the fields say what the message of each problem says")]
pub enum Problem {
    /// A partition was not dumped on one side.
    MissingPartition {
        partition: TopicPartition,
        in_original: bool,
    },
    /// A dump did not get to the end of a partition.
    Unread {
        partition: TopicPartition,
        in_original: bool,
        reached: i64,
        end: i64,
    },
    /// The restored log ends before the cut.
    EndsEarly {
        partition: TopicPartition,
        end: i64,
        cut: i64,
    },
    /// The restored log begins after the original's.
    StartsLate {
        partition: TopicPartition,
        start: i64,
        original: i64,
    },
    /// The restored log holds users' records from the cut on.
    BeyondCut {
        partition: TopicPartition,
        first: i64,
        records: usize,
        cut: i64,
    },
    /// Records below the cut are missing.
    Lost {
        partition: TopicPartition,
        first: i64,
        records: usize,
    },
    /// Records below the cut that the original does not have.
    Invented {
        partition: TopicPartition,
        first: i64,
        records: usize,
    },
    /// A record differs.
    Altered {
        partition: TopicPartition,
        offset: i64,
        what: &'static str,
    },
    /// A record that no consumer should get is visible.
    Resurrected { partition: TopicPartition, offset: i64 },
    /// In a compacted partition a key has another last value.
    StaleKey {
        partition: TopicPartition,
        key: u64,
        offset: Option<i64>,
        original: i64,
    },
    /// A record that a producer was promised is not there, or not visible.
    Unkept {
        partition: TopicPartition,
        offset: i64,
        reason: &'static str,
    },
    /// Of a transaction some records are visible and some not.
    Torn {
        id: String,
        number: u64,
        visible: usize,
        records: usize,
    },
    /// A chain's output for an input is missing, or there more than once.
    ChainBroken {
        source: String,
        outputs: usize,
        expected: usize,
    },
    /// The committed amounts of a bank, each of whose transactions adds up to nothing, do not.
    WrongSum { sum: i64 },
    /// A group's offset lies past the end of its partition, or the partition is not there.
    OffsetBeyond {
        group: String,
        partition: TopicPartition,
        offset: i64,
        end: Option<i64>,
    },
    /// A group's offset lies before one that was acknowledged to it before the snapshot began.
    OffsetBehind {
        group: String,
        partition: TopicPartition,
        offset: Option<i64>,
        acknowledged: i64,
    },
    /// A transaction is open, so that `read_committed` consumers do not get on.
    Undecided {
        partition: TopicPartition,
        last_stable: i64,
        end: i64,
    },
    /// A producer is in a transaction that its coordinator does not know as ongoing.
    Hanging { what: String },
    /// A record cites a schema that is not there.
    SchemaMissing {
        partition: TopicPartition,
        offset: i64,
        schema: u64,
    },
}

impl Report {
    /// Tells whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn lost(&mut self, partition: &TopicPartition, offsets: &[i64]) {
        if let Some(&first) = offsets.first() {
            self.problems.push(Problem::Lost {
                partition: partition.clone(),
                first,
                records: offsets.len(),
            });
        }
    }

    pub(super) fn invented(&mut self, partition: &TopicPartition, offsets: &[i64]) {
        if let Some(&first) = offsets.first() {
            self.problems.push(Problem::Invented {
                partition: partition.clone(),
                first,
                records: offsets.len(),
            });
        }
    }
}

/// How many problems are printed.
const SHOWN: usize = 40;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} partitions, {} records compared, {} identical, {} undecided at the cut, {} no longer in the original",
            self.partitions, self.records, self.identical, self.undecided, self.unjudged
        )?;
        write_problems(f, &self.problems)
    }
}

/// Writes each problem on a line of its own, up to a limit.
pub(super) fn write_problems(f: &mut fmt::Formatter<'_>, problems: &[Problem]) -> fmt::Result {
    for problem in problems.iter().take(SHOWN) {
        write!(f, "\n  {problem}")?;
    }
    match problems.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, "\n  and {more} more problems"),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |in_original: &bool| if *in_original { "original" } else { "restored" };
        match self {
            Self::MissingPartition { partition, in_original } => {
                write!(f, "{partition}: not in the {} cluster", side(in_original))
            }
            Self::Unread {
                partition,
                in_original,
                reached,
                end,
            } => {
                write!(
                    f,
                    "{partition}: the {} log was read to {reached} of {end} only",
                    side(in_original)
                )
            }
            Self::EndsEarly { partition, end, cut } => write!(f, "{partition}: ends at {end}, before its cut {cut}"),
            Self::StartsLate {
                partition,
                start,
                original,
            } => {
                write!(f, "{partition}: starts at {start}, the original at {original}")
            }
            Self::BeyondCut {
                partition,
                first,
                records,
                cut,
            } => {
                write!(
                    f,
                    "{partition}: {records} records beyond the cut {cut}, from {first} on"
                )
            }
            Self::Lost {
                partition,
                first,
                records,
            } => write!(f, "{partition}: {records} records lost, first {first}"),
            Self::Invented {
                partition,
                first,
                records,
            } => {
                write!(
                    f,
                    "{partition}: {records} records that the original does not have, first {first}"
                )
            }
            Self::Altered {
                partition,
                offset,
                what,
            } => write!(f, "{partition}@{offset}: {what} differs"),
            Self::Resurrected { partition, offset } => {
                write!(f, "{partition}@{offset}: visible though never committed")
            }
            Self::StaleKey {
                partition,
                key,
                offset,
                original,
            } => {
                write!(
                    f,
                    "{partition}: last value of key {key:016x} is at {offset:?}, in the original at {original}"
                )
            }
            Self::Unkept {
                partition,
                offset,
                reason,
            } => {
                write!(
                    f,
                    "{partition}@{offset}: acknowledged before the snapshot began, but {reason}"
                )
            }
            Self::Torn {
                id,
                number,
                visible,
                records,
            } => {
                write!(
                    f,
                    "transaction {number} of {id}: {visible} of {records} records are visible"
                )
            }
            Self::ChainBroken {
                source,
                outputs,
                expected,
            } => {
                write!(f, "input {source}: {outputs} outputs instead of {expected}")
            }
            Self::WrongSum { sum } => write!(f, "the committed amounts add up to {sum} instead of nothing"),
            Self::OffsetBeyond {
                group,
                partition,
                offset,
                end,
            } => write!(f, "group {group}: {partition} committed at {offset}, ends at {end:?}"),
            Self::OffsetBehind {
                group,
                partition,
                offset,
                acknowledged,
            } => write!(
                f,
                "group {group}: {partition} committed at {offset:?}, though {acknowledged} was acknowledged before the \
                 snapshot began"
            ),
            Self::Undecided {
                partition,
                last_stable,
                end,
            } => write!(
                f,
                "{partition}: a transaction is open at {last_stable}, the log ends at {end}"
            ),
            Self::Hanging { what } => write!(f, "hanging transaction: {what}"),
            Self::SchemaMissing {
                partition,
                offset,
                schema,
            } => write!(f, "{partition}@{offset}: cites schema {schema}, which is not there"),
        }
    }
}
