//! Groups that read and commit their offsets without transactions.

use super::log::{Body, GroupOffset};
use super::world::{Content, World};

/// A group with one member and one partition.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    group: usize,
    part: (usize, usize),
    reads_committed: bool,
    log: Option<usize>,
    position: i64,
}

impl Reader {
    pub(super) fn new(group: usize, part: (usize, usize), reads_committed: bool) -> Self {
        Self {
            group,
            part,
            reads_committed,
            log: None,
            position: 0,
        }
    }
}

impl World {
    /// One group reads on, or commits.
    pub(super) fn read(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        let place = self.dice.below(self.readers.len());
        let mut reader = self.readers[place].clone();
        let current = self.places.get(&reader.part).copied();
        if reader.log != current {
            (reader.log, reader.position) = (current, 0);
        }
        if let Some(log) = current {
            let limit = match reader.reads_committed {
                true => self.logs[log].last_stable_offset(),
                false => self.logs[log].high_watermark(),
            };
            if limit > reader.position && self.dice.once_in(2) {
                reader.position += 1 + self.dice.below((limit - reader.position) as usize) as i64;
            } else {
                let group_log = self.group_log(reader.group);
                let number = self.numbers.batch();
                let content = self.contents.len();
                self.contents.push(Content {
                    log: group_log,
                    key: 0,
                    batch: number,
                    acknowledged: None,
                });
                let offset = GroupOffset {
                    group: reader.group,
                    log,
                    offset: reader.position,
                };
                let body = Body::Commit {
                    offset,
                    content,
                    transaction: None,
                };
                self.logs[group_log].append(number, 1, (-1, -1), body);
            }
        }
        self.readers[place] = reader;
    }
}
