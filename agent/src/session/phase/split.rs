//! Reports in messages of bounded size: small ones together, large ones in pieces.

use maxbrod_proto::agent as wire;
use prost::Message;

/// Messages are sent off at this size, and no piece of a report is larger unless a single element is.
const PIECE: usize = 512 << 10;
/// What an element takes besides itself: its tag and its length.
const FRAME: usize = 8;

/// The reports of each message.
pub(super) fn messages(reports: Vec<wire::PartitionReport>) -> Vec<Vec<wire::PartitionReport>> {
    let mut messages: Vec<Vec<wire::PartitionReport>> = Vec::new();
    let mut size = PIECE;
    for report in reports.into_iter().flat_map(pieces) {
        let length = report.encoded_len() + FRAME;
        match messages.last_mut().filter(|_| size + length <= PIECE) {
            Some(message) => message.push(report),
            None => {
                messages.push(vec![report]);
                size = 0;
            }
        }
        size += length;
    }
    messages
}

/// A report in pieces: all but the last with `more`. What is repeated is spread over them, all else is in each.
fn pieces(mut report: wire::PartitionReport) -> Vec<wire::PartitionReport> {
    if report.encoded_len() <= PIECE {
        return vec![report];
    }
    let batches = std::mem::take(&mut report.batches);
    let leader_epochs = std::mem::take(&mut report.leader_epochs);
    let transactional = std::mem::take(&mut report.transactional);
    let states = std::mem::take(&mut report.states);
    let records = std::mem::take(&mut report.records);
    let mut pieces = Pieces::new(report);
    pieces.spread(batches, |piece| &mut piece.batches);
    pieces.spread(leader_epochs, |piece| &mut piece.leader_epochs);
    pieces.spread(transactional, |piece| &mut piece.transactional);
    pieces.spread(states, |piece| &mut piece.states);
    pieces.spread(records, |piece| &mut piece.records);
    pieces.finish()
}

struct Pieces {
    /// The report without what is repeated.
    common: wire::PartitionReport,
    done: Vec<wire::PartitionReport>,
    piece: wire::PartitionReport,
    size: usize,
    /// Size of a piece without anything.
    empty: usize,
}

impl Pieces {
    fn new(common: wire::PartitionReport) -> Self {
        let empty = common.encoded_len() + FRAME;
        Self {
            done: Vec::new(),
            piece: common.clone(),
            size: empty,
            empty,
            common,
        }
    }

    fn spread<M: Message>(&mut self, elements: Vec<M>, field: impl Fn(&mut wire::PartitionReport) -> &mut Vec<M>) {
        for element in elements {
            let length = element.encoded_len() + FRAME;
            let is_empty = self.size == self.empty;
            if self.size + length > PIECE && !is_empty {
                let full = std::mem::replace(&mut self.piece, self.common.clone());
                self.done.push(wire::PartitionReport { more: true, ..full });
                self.size = self.empty;
            }
            self.size += length;
            field(&mut self.piece).push(element);
        }
    }

    fn finish(mut self) -> Vec<wire::PartitionReport> {
        self.done.push(self.piece);
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64, size: usize) -> wire::CoordinatorRecord {
        wire::CoordinatorRecord {
            offset,
            key: vec![1; 20].into(),
            value: Some(vec![2; size].into()),
        }
    }

    fn report(partition: i32, states: i64, records: i64, size: usize) -> wire::PartitionReport {
        wire::PartitionReport {
            partition,
            log_end: 7,
            topic_id: vec![3; 16].into(),
            batches: vec![
                wire::BatchEnd {
                    end_offset: 7,
                    leader_epoch: 1,
                    crc: 9
                };
                30_000
            ],
            states: (0..states).map(|offset| record(offset, size)).collect(),
            records: (0..records).map(|offset| record(offset, size)).collect(),
            ..wire::PartitionReport::default()
        }
    }

    /// As the coordinator does it.
    fn put_together(messages: Vec<Vec<wire::PartitionReport>>) -> Vec<wire::PartitionReport> {
        let mut whole: Vec<wire::PartitionReport> = Vec::new();
        let mut goes_on = false;
        for piece in messages.into_iter().flatten() {
            let more = piece.more;
            match whole.last_mut().filter(|_| goes_on) {
                Some(before) => {
                    before.batches.extend(piece.batches);
                    before.states.extend(piece.states);
                    before.records.extend(piece.records);
                }
                None => whole.push(wire::PartitionReport { more: false, ..piece }),
            }
            goes_on = more;
        }
        assert!(!goes_on);
        whole
    }

    #[test]
    fn large_reports_come_in_pieces_that_make_the_whole_again() {
        let reports = vec![
            report(1, 3, 2, 10),
            report(2, 20_000, 5_000, 130),
            report(3, 0, 3, 800 << 10),
            report(4, 0, 0, 1),
        ];
        let messages = messages(reports.clone());
        assert!(messages.len() > 7);
        for message in &messages {
            let message = wire::PhaseReports {
                reports: message.clone(),
                ..wire::PhaseReports::default()
            };
            assert!(message.encoded_len() <= 1 << 20, "{}", message.encoded_len());
        }
        assert_eq!(put_together(messages), reports);
    }

    #[test]
    fn small_reports_travel_together() {
        let small = |partition| wire::PartitionReport {
            batches: Vec::new(),
            ..report(partition, 0, 1, 100)
        };
        assert_eq!(messages((0..100).map(small).collect()).len(), 1);
    }
}
