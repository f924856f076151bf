use std::fs;
use std::sync::Arc;

use maxbrod_kafka::{BatchHeader, CheckpointId, LeaderEpoch, Offset, TopicId};
use maxbrod_proto::agent as wire;

use super::answer;
use crate::disk::{Disk, Log, batch, directory_id};
use crate::log_dir::LogDir;

struct Controller {
    disk: Disk,
    log_dir: Arc<LogDir>,
}

/// An answer, put together again.
#[derive(Debug, Default)]
struct Answer {
    reset: bool,
    checkpoint: Option<wire::CheckpointName>,
    checkpoint_bytes: Vec<u8>,
    batches: Vec<u8>,
    log_end: i64,
    error: String,
    pieces: usize,
}

impl Controller {
    fn new() -> Self {
        let disk = Disk::new(&["d1"]);
        let log_dir = LogDir::open(&disk.path("d1"), directory_id(0)).unwrap();
        Self { disk, log_dir }
    }

    fn log(&self, start: i64) -> Log {
        Log::create(&self.disk.path("d1/__cluster_metadata-0"), TopicId::METADATA, start)
    }

    fn checkpoint(&self, end_offset: i64, epoch: i32, bytes: &[u8]) {
        let id = CheckpointId {
            end_offset: Offset(end_offset),
            epoch: LeaderEpoch(epoch),
        };
        fs::write(self.disk.path("d1/__cluster_metadata-0").join(id.file_name()), bytes).unwrap();
    }

    fn ask(&self, since: Option<wire::BatchEnd>) -> Answer {
        let mut whole = Answer::default();
        let mut is_over = false;
        answer(
            &self.log_dir,
            &wire::MetadataQuery { request: 4, since },
            &mut |piece| {
                assert_eq!(piece.request, 4);
                assert!(!is_over, "a piece came after the last one");
                assert!(prost::Message::encoded_len(&piece) < 1 << 20);
                assert!(!piece.reset || whole.pieces == 0, "only the first piece starts over");
                assert!(
                    piece.checkpoint_bytes.is_empty() || whole.batches.is_empty(),
                    "the checkpoint comes first"
                );
                whole.reset |= piece.reset;
                whole.checkpoint = whole.checkpoint.or(piece.checkpoint);
                whole.checkpoint_bytes.extend_from_slice(&piece.checkpoint_bytes);
                whole.batches.extend_from_slice(&piece.batches);
                whole.pieces += 1;
                is_over = piece.last;
                if piece.last {
                    whole.log_end = piece.log_end;
                    whole.error = piece.error;
                }
                true
            },
        );
        assert!(is_over, "the answer has no end");
        whole
    }
}

fn end_of(bytes: &[u8]) -> wire::BatchEnd {
    let last = maxbrod_kafka::Batches::new(bytes, 0)
        .map(Result::unwrap)
        .last()
        .unwrap();
    let header: BatchHeader = last.header.unwrap();
    wire::BatchEnd {
        end_offset: header.next_offset().0,
        leader_epoch: header.leader_epoch.0,
        crc: header.crc,
    }
}

#[test]
fn a_young_log_is_sent_whole() {
    let controller = Controller::new();
    let mut log = controller.log(0);
    log.append(50, 100, 1).roll().append(10, 100, 2);
    let answer = controller.ask(None);
    assert_eq!((answer.reset, answer.checkpoint, answer.log_end), (true, None, 60));
    assert_eq!(answer.batches, log.content());
}

#[test]
fn what_was_appended_since_is_all_that_is_sent() {
    let controller = Controller::new();
    let mut log = controller.log(0);
    log.append(50, 100, 1).roll();
    let known = controller.ask(None);
    let before = log.content().len();
    log.append(7, 100, 1);
    let answer = controller.ask(Some(end_of(&known.batches)));
    assert_eq!((answer.reset, answer.log_end), (false, 57));
    assert_eq!(answer.batches, log.content()[before..]);
    let again = controller.ask(Some(end_of(&answer.batches)));
    assert_eq!((again.reset, again.log_end, again.batches.len()), (false, 57, 0));
}

#[test]
fn a_truncated_log_starts_over() {
    let controller = Controller::new();
    let mut log = controller.log(0);
    log.append(50, 100, 1);
    let known = end_of(&controller.ask(None).batches);
    log.truncate(45).append(10, 100, 2);
    let answer = controller.ask(Some(known));
    assert!(answer.reset);
    assert_eq!(answer.batches, log.content());
}

#[test]
fn the_newest_checkpoint_comes_before_the_batches_after_it() {
    let controller = Controller::new();
    let mut log = controller.log(0);
    log.append(30, 100, 1).roll().append(30, 100, 1);
    let large: Vec<u8> = (0..3_000_000).map(|number| (number / 7) as u8).collect();
    controller.checkpoint(10, 1, b"an old one");
    controller.checkpoint(40, 1, &large);
    fs::write(
        controller
            .disk
            .path("d1/__cluster_metadata-0/00000000000000000055-0000000001.checkpoint.part"),
        "x",
    )
    .unwrap();
    let answer = controller.ask(None);
    assert_eq!(
        answer.checkpoint,
        Some(wire::CheckpointName {
            end_offset: 40,
            epoch: 1
        })
    );
    assert!(answer.checkpoint_bytes == large);
    let first = BatchHeader::parse(&answer.batches).unwrap();
    assert_eq!((first.base_offset.0, answer.log_end), (40, 60));
}

#[test]
fn what_was_deleted_below_a_checkpoint_starts_over() {
    let controller = Controller::new();
    let mut log = controller.log(0);
    log.append(30, 100, 1).roll();
    let known = end_of(&controller.ask(None).batches);
    log.append(30, 100, 1).roll();
    controller.checkpoint(60, 1, b"checkpoint");
    log.delete_segment(0);
    log.delete_segment(30);
    let answer = controller.ask(Some(known));
    assert!(answer.reset);
    assert_eq!(
        (
            answer.checkpoint.unwrap().end_offset,
            answer.log_end,
            answer.batches.len()
        ),
        (60, 60, 0)
    );
}

#[test]
fn a_batch_in_the_making_is_left_for_later() {
    let controller = Controller::new();
    let mut log = controller.log(0);
    log.append(5, 100, 1);
    let whole = log.content();
    log.write_at_end(&batch(5, 1, 1, 100)[..80]);
    let answer = controller.ask(None);
    assert_eq!((answer.log_end, answer.error.as_str()), (5, ""));
    assert_eq!(answer.batches, whole);
}

#[test]
fn a_long_log_comes_in_pieces() {
    let controller = Controller::new();
    let mut log = controller.log(0);
    log.append(300, 10_000, 1);
    let answer = controller.ask(None);
    assert!(answer.pieces >= 4, "{} pieces", answer.pieces);
    assert!(answer.batches == log.content());
}

#[test]
fn a_damaged_log_is_an_error_that_names_the_file() {
    let controller = Controller::new();
    let mut log = controller.log(0);
    log.append(50, 500, 1).roll().append(5, 500, 1);
    log.flip_bit(0, 4000);
    let answer = controller.ask(None);
    assert!(
        answer.error.contains("00000000000000000000.log") && answer.error.contains("CRC"),
        "{}",
        answer.error
    );
}

#[test]
fn a_missing_log_is_an_error() {
    let answer = Controller::new().ask(None);
    assert!(
        answer.error.contains("__cluster_metadata-0") && answer.error.contains("metadata.log.dir"),
        "{}",
        answer.error
    );
}
