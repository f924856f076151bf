use std::time::Duration;

use bytes::Bytes;
use maxbrod_cut::BatchEnd;
use maxbrod_kafka::metadata::MetadataRecord;
use maxbrod_kafka::metadata::record::{PartitionChangeRecord, PartitionRecord, TopicRecord};
use maxbrod_kafka::{
    Attributes, BatchBuilder, Batches, ControlRecord, DirectoryId, KRaftVersion, KRaftVersionRange, KRaftVoters,
    LeaderChange, SnapshotFooter, SnapshotHeader, TopicId, Uuid, Voter,
};
use maxbrod_proto::agent::{CheckpointName, MetadataReply};
use proptest::prelude::*;

use super::*;
use crate::sequencer::{Moment, Standing};

/// One controller's disk.
#[derive(Clone, Debug, Default)]
struct Disk {
    checkpoint: Option<(i64, i32, Bytes)>,
    batches: Vec<Bytes>,
}

impl Disk {
    fn last(&self) -> (i32, i64) {
        match self.batches.last() {
            Some(bytes) => {
                let end = end_of(bytes);
                (end.leader_epoch.0, end.end_offset.0)
            }
            None => self
                .checkpoint
                .as_ref()
                .map_or((0, 0), |(end, epoch, _)| (*epoch, *end)),
        }
    }

    fn end(&self) -> i64 {
        self.last().1
    }

    /// As an agent answers: what follows `since`, or everything.
    fn reply(&self, question: &Question) -> Vec<MetadataReply> {
        let known = question
            .since
            .and_then(|since| self.batches.iter().position(|bytes| end_of(bytes) == since));
        let first = known.map_or(0, |index| index + 1);
        let mut pieces = Vec::new();
        if known.is_none() {
            let name = self.checkpoint.as_ref().map(|(end_offset, epoch, _)| CheckpointName {
                end_offset: *end_offset,
                epoch: *epoch,
            });
            pieces.push(MetadataReply {
                reset: true,
                checkpoint: name,
                ..MetadataReply::default()
            });
            if let Some((_, _, bytes)) = &self.checkpoint {
                let half = bytes.len() / 2;
                for part in [bytes.slice(..half), bytes.slice(half..)] {
                    pieces.push(MetadataReply {
                        checkpoint_bytes: part,
                        ..MetadataReply::default()
                    });
                }
            }
        }
        for bytes in &self.batches[first..] {
            pieces.push(MetadataReply {
                batches: bytes.clone(),
                ..MetadataReply::default()
            });
        }
        pieces.push(MetadataReply {
            last: true,
            log_end: self.end(),
            ..MetadataReply::default()
        });
        pieces
            .into_iter()
            .map(|piece| MetadataReply {
                request: question.request,
                ..piece
            })
            .collect()
    }
}

fn end_of(bytes: &[u8]) -> BatchEnd {
    let header = Batches::new(bytes, 0).next().unwrap().unwrap().header.unwrap();
    BatchEnd {
        end_offset: header.next_offset(),
        leader_epoch: header.leader_epoch,
        crc: header.crc,
    }
}

/// A batch of one record: a topic named so.
fn topic_batch(base: i64, epoch: i32, name: &str) -> Bytes {
    let mut id = [0; 16];
    for (index, byte) in name.bytes().rev().take(16).enumerate() {
        id[15 - index] = byte;
    }
    let topic = TopicRecord {
        name: name.to_owned(),
        topic_id: TopicId(Uuid(id)),
        ..TopicRecord::default()
    };
    let value = MetadataRecord::from(topic).encode().unwrap();
    BatchBuilder::new(Offset(base), LeaderEpoch(epoch))
        .record(0, None, Some(&value))
        .build()
        .into()
}

fn batch_of(base: i64, epoch: i32, record: MetadataRecord) -> Bytes {
    let value = record.encode().unwrap();
    BatchBuilder::new(Offset(base), LeaderEpoch(epoch))
        .record(0, None, Some(&value))
        .build()
        .into()
}

fn control_batch(base: i64, epoch: i32, records: &[ControlRecord]) -> Bytes {
    let mut builder = BatchBuilder::new(Offset(base), LeaderEpoch(epoch)).attributes(Attributes::CONTROL_BATCH);
    for record in records {
        let (key, value) = record.encode().unwrap();
        builder = builder.record(0, Some(&key), Some(&value));
    }
    builder.build().into()
}

fn leader_batch(base: i64, epoch: i32) -> Bytes {
    control_batch(base, epoch, &[ControlRecord::LeaderChange(LeaderChange::default())])
}

fn voters_record(ids: &[i32]) -> ControlRecord {
    let voter = |id: &i32| Voter {
        voter_id: NodeId(*id),
        voter_directory_id: DirectoryId(Uuid([*id as u8; 16])),
        endpoints: Vec::new(),
        kraft_version_feature: KRaftVersionRange::default(),
        ..Voter::default()
    };
    ControlRecord::KRaftVoters(KRaftVoters {
        voters: ids.iter().map(voter).collect(),
        ..KRaftVoters::default()
    })
}

fn checkpoint(end: i64, epoch: i32, topics: &[&str], voters: Option<&[i32]>) -> (i64, i32, Bytes) {
    let mut head = vec![ControlRecord::SnapshotHeader(SnapshotHeader::default())];
    if let Some(voters) = voters {
        head.push(ControlRecord::KRaftVersion(KRaftVersion {
            kraft_version: 1,
            ..KRaftVersion::default()
        }));
        head.push(voters_record(voters));
    }
    let mut bytes = control_batch(0, epoch, &head).to_vec();
    let mut base = head.len() as i64;
    for name in topics {
        bytes.extend(topic_batch(base, epoch, name));
        base += 1;
    }
    bytes.extend(control_batch(
        base,
        epoch,
        &[ControlRecord::SnapshotFooter(SnapshotFooter::default())],
    ));
    (end, epoch, bytes.into())
}

fn names(image: &MetadataImage) -> Vec<String> {
    let mut names: Vec<String> = image.topics().map(|topic| topic.name().to_owned()).collect();
    names.sort();
    names
}

/// Reads until there is an answer, the disks not changing meanwhile.
fn read(quorum: &mut Quorum, disks: &BTreeMap<NodeId, Disk>) -> Answer {
    let mut request = 0;
    let mut now = Moment(Duration::from_secs(1));
    let controllers = disks.keys().copied().collect();
    let (mut reading, mut questions) = quorum.begin(&controllers, &mut request, now);
    loop {
        for question in std::mem::take(&mut questions) {
            for reply in disks[&question.node].reply(&question) {
                quorum.reply(&mut reading, question.node, reply, now);
            }
        }
        now = now.after(Duration::from_millis(10));
        match quorum.poll(&mut reading, &mut request, now) {
            Answer::Wait => {}
            Answer::Ask(more) => questions = more,
            answer => return answer,
        }
    }
}

fn found(answer: Answer) -> (Metadata, Standing) {
    match answer {
        Answer::Found(metadata, standing) => (metadata, standing),
        other => panic!("{other:?}"),
    }
}

fn three(disks: [Disk; 3]) -> (Quorum, BTreeMap<NodeId, Disk>) {
    let mut quorum = Quorum::default();
    quorum.configure(vec![NodeId(1), NodeId(2), NodeId(3)]);
    (quorum, (1..).map(NodeId).zip(disks).collect())
}

#[test]
fn what_a_majority_holds_is_the_image() {
    let log = vec![leader_batch(0, 1), topic_batch(1, 1, "a"), topic_batch(2, 1, "b")];
    let full = Disk {
        checkpoint: None,
        batches: log.clone(),
    };
    let lagging = Disk {
        checkpoint: None,
        batches: log[..2].to_vec(),
    };
    let (mut quorum, disks) = three([full.clone(), full, lagging]);
    let (metadata, standing) = found(read(&mut quorum, &disks));
    assert_eq!(standing, Standing::Committed);
    assert_eq!(names(&metadata.image), ["a", "b"]);
    assert_eq!(
        metadata.at,
        Position {
            end_offset: Offset(3),
            epoch: LeaderEpoch(1)
        }
    );
    // Everything is folded: what remains in memory is nothing, and the next reading transfers only what is new.
    assert!(quorum.nodes.values().all(|log| log.tail().len() == 0));
}

#[test]
fn an_unclean_election_is_remembered_although_the_leader_recovered_since() {
    let partition = PartitionRecord {
        partition_id: PartitionId(0),
        replicas: vec![NodeId(1), NodeId(2)],
        isr: vec![NodeId(1)],
        leader: NodeId(1),
        ..PartitionRecord::default()
    };
    let topic_id = TopicId(Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'a']));
    let change = |state| PartitionChangeRecord {
        partition_id: PartitionId(0),
        topic_id,
        leader: NodeId(2),
        isr: Some(vec![NodeId(2)]),
        leader_recovery_state: state,
        ..PartitionChangeRecord::default()
    };
    let partition = PartitionRecord { topic_id, ..partition };
    let log = vec![
        leader_batch(0, 1),
        topic_batch(1, 1, "a"),
        batch_of(2, 1, partition.into()),
        batch_of(3, 1, change(1).into()),
        batch_of(4, 1, change(0).into()),
    ];
    let disk = Disk {
        checkpoint: None,
        batches: log,
    };
    let (mut quorum, disks) = three([disk.clone(), disk.clone(), disk]);
    let (metadata, _) = found(read(&mut quorum, &disks));
    let known: Vec<_> = metadata.unclean_elections.iter().collect();
    assert_eq!(known, [(&(topic_id, PartitionId(0)), &(Offset(3), NodeId(2)))]);
}

#[test]
fn records_that_no_majority_took_over_in_time_are_not_in_it_and_it_is_said() {
    let log = vec![leader_batch(0, 1), topic_batch(1, 1, "a"), topic_batch(2, 1, "b")];
    let full = Disk {
        checkpoint: None,
        batches: log.clone(),
    };
    let lagging = Disk {
        checkpoint: None,
        batches: log[..2].to_vec(),
    };
    let (mut quorum, mut disks) = three([full.clone(), lagging.clone(), lagging]);
    let (metadata, standing) = found(read(&mut quorum, &disks));
    assert_eq!(standing, Standing::Unsettled);
    assert_eq!(names(&metadata.image), ["a"]);
    disks.insert(NodeId(3), full);
    let (metadata, standing) = found(read(&mut quorum, &disks));
    assert_eq!(standing, Standing::Committed);
    assert_eq!(names(&metadata.image), ["a", "b"]);
}

#[test]
fn an_old_epochs_batch_on_a_majority_is_not_committed_yet() {
    // Raft §5.4.2: node 1 leads epoch 3 and has its own batch only; the batch of epoch 2 can still be overwritten.
    let old = vec![leader_batch(0, 1), topic_batch(1, 1, "a"), topic_batch(2, 2, "old")];
    let newer = vec![leader_batch(0, 1), topic_batch(1, 1, "a"), leader_batch(2, 3)];
    let disk = |batches: &[Bytes]| Disk {
        checkpoint: None,
        batches: batches.to_vec(),
    };
    let (mut quorum, mut disks) = three([disk(&newer), disk(&old), disk(&old)]);
    let (metadata, standing) = found(read(&mut quorum, &disks));
    assert_eq!(standing, Standing::Unsettled);
    assert_eq!(names(&metadata.image), Vec::<String>::new());
    disks.insert(NodeId(2), disk(&newer));
    let (metadata, standing) = found(read(&mut quorum, &disks));
    assert_eq!(standing, Standing::Committed);
    assert_eq!(names(&metadata.image), ["a"]);
}

#[test]
fn the_newest_checkpoint_is_where_reading_begins() {
    let whole = checkpoint(10, 2, &["a", "b"], None);
    let ahead = Disk {
        checkpoint: Some(whole),
        batches: vec![topic_batch(10, 2, "c")],
    };
    let mut batches: Vec<Bytes> = (0..10).map(|base| topic_batch(base, 2, &format!("t{base}"))).collect();
    batches.push(topic_batch(10, 2, "c"));
    let behind = Disk {
        checkpoint: None,
        batches,
    };
    let (mut quorum, disks) = three([ahead, behind.clone(), behind]);
    let (metadata, standing) = found(read(&mut quorum, &disks));
    assert_eq!(standing, Standing::Committed);
    assert_eq!(names(&metadata.image), ["a", "b", "c"]);
}

#[test]
fn the_voters_of_a_dynamic_quorum_come_from_its_records() {
    let mut quorum = Quorum::default();
    let formatted = checkpoint(0, 0, &[], Some(&[1]));
    let log = vec![
        leader_batch(0, 1),
        topic_batch(1, 1, "a"),
        control_batch(2, 1, &[voters_record(&[1, 2, 3])]),
    ];
    let full = Disk {
        checkpoint: Some(formatted),
        batches: log.clone(),
    };
    let mut disks = BTreeMap::from([(NodeId(1), full.clone())]);
    let (_, standing) = found(read(&mut quorum, &disks));
    assert_eq!(
        standing,
        Standing::NoMajority {
            silent: vec![NodeId(2), NodeId(3)]
        }
    );
    assert_eq!(quorum.voters(), [1, 2, 3].map(NodeId).into());
    disks.insert(
        NodeId(2),
        Disk {
            checkpoint: None,
            batches: log,
        },
    );
    let (metadata, standing) = found(read(&mut quorum, &disks));
    assert_eq!(standing, Standing::Committed);
    assert_eq!(names(&metadata.image), ["a"]);
}

#[test]
fn without_a_majority_the_most_advanced_log_is_taken_and_that_is_said() {
    let log = vec![leader_batch(0, 1), topic_batch(1, 1, "a")];
    let mut quorum = Quorum::default();
    quorum.configure(vec![NodeId(1), NodeId(2), NodeId(3)]);
    let disks = BTreeMap::from([(
        NodeId(2),
        Disk {
            checkpoint: None,
            batches: log,
        },
    )]);
    let (metadata, standing) = found(read(&mut quorum, &disks));
    assert_eq!(
        standing,
        Standing::NoMajority {
            silent: vec![NodeId(1), NodeId(3)]
        }
    );
    assert_eq!(names(&metadata.image), ["a"]);
    // It was not folded: should the others say otherwise, they are right.
    assert_eq!(
        quorum.committed().map(|metadata| metadata.at.end_offset),
        Some(Offset(0))
    );
}

#[test]
fn nobody_to_ask_is_no_metadata() {
    let mut quorum = Quorum::default();
    assert!(matches!(read(&mut quorum, &BTreeMap::new()), Answer::Nothing { .. }));
}

#[test]
fn a_log_that_cannot_be_read_does_not_count() {
    let log = vec![leader_batch(0, 1), topic_batch(1, 1, "a")];
    let good = Disk {
        checkpoint: None,
        batches: log.clone(),
    };
    let mut bytes = log[1].to_vec();
    bytes[70] ^= 1;
    let bad = Disk {
        checkpoint: None,
        batches: vec![log[0].clone(), bytes.into()],
    };
    let (mut quorum, disks) = three([
        good.clone(),
        good,
        Disk {
            checkpoint: None,
            batches: log[..1].to_vec(),
        },
    ]);
    // The agent checks CRCs; should one slip through, the log is left out and read anew.
    let mut request = 0;
    let now = Moment::default();
    let (mut reading, questions) = quorum.begin(&disks.keys().copied().collect(), &mut request, now);
    for question in questions {
        let disk = if question.node == NodeId(3) {
            Disk {
                batches: vec![Bytes::copy_from_slice(&bad.batches[1])],
                ..Disk::default()
            }
        } else {
            disks[&question.node].clone()
        };
        let replies = if question.node == NodeId(3) {
            vec![MetadataReply {
                request: question.request,
                reset: true,
                batches: disk.batches[0].clone(),
                last: true,
                ..MetadataReply::default()
            }]
        } else {
            disk.reply(&question)
        };
        for reply in replies {
            quorum.reply(&mut reading, question.node, reply, now);
        }
    }
    let (metadata, standing) = found(quorum.poll(&mut reading, &mut request, now));
    assert_eq!(standing, Standing::Committed);
    assert_eq!(names(&metadata.image), ["a"]);
}

#[test]
fn a_checkpoint_cut_short_is_refused() {
    let (end, epoch, bytes) = checkpoint(10, 2, &["a"], None);
    let disk = Disk {
        checkpoint: Some((end, epoch, bytes.slice(..bytes.len() - 80))),
        batches: vec![],
    };
    let (mut quorum, disks) = three([disk.clone(), disk.clone(), disk]);
    match read(&mut quorum, &disks) {
        Answer::Nothing { why } => assert!(why.contains("00000000000000000010-0000000002.checkpoint"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_read_again_when_it_is_repaired() {
    let (end, epoch, bytes) = checkpoint(10, 2, &["a"], None);
    let whole = Disk {
        checkpoint: Some((end, epoch, bytes.clone())),
        batches: vec![topic_batch(10, 2, "b")],
    };
    let damaged = Disk {
        checkpoint: Some((end, epoch, bytes.slice(..bytes.len() - 80))),
        ..whole.clone()
    };
    let (mut quorum, disks) = three([damaged.clone(), whole.clone(), damaged.clone()]);
    let (metadata, standing) = found(read(&mut quorum, &disks));
    assert_eq!(
        (names(&metadata.image), standing),
        (vec!["a".to_owned(), "b".to_owned()], Standing::Committed)
    );

    let (mut alone, mut disk) = (Quorum::default(), BTreeMap::from([(NodeId(1), damaged)]));
    assert!(matches!(read(&mut alone, &disk), Answer::Nothing { .. }));
    disk.insert(NodeId(1), whole);
    assert_eq!(found(read(&mut alone, &disk)).1, Standing::Committed);
}

/// A Raft cluster, to the degree that logs show it.
#[derive(Debug)]
struct Raft {
    disks: Vec<Disk>,
    leader: Option<usize>,
    epoch: i32,
    written: usize,
    /// What was committed by Raft's own rule.
    committed: Vec<Bytes>,
}

#[derive(Clone, Debug)]
enum Step {
    Elect(usize),
    Append,
    Replicate(usize),
    Read(Vec<bool>),
}

impl Raft {
    fn new(size: usize) -> Self {
        Self {
            disks: vec![Disk::default(); size],
            leader: None,
            epoch: 0,
            written: 0,
            committed: Vec::new(),
        }
    }

    fn elect(&mut self, node: usize) {
        // A vote goes to a log that is at least as far as one's own.
        let candidate = self.disks[node].last();
        let votes = self.disks.iter().filter(|disk| disk.last() <= candidate).count();
        if votes > self.disks.len() / 2 {
            self.epoch += 1;
            self.leader = Some(node);
            let base = self.disks[node].end();
            self.disks[node].batches.push(leader_batch(base, self.epoch));
        }
    }

    fn append(&mut self) {
        if let Some(leader) = self.leader {
            self.written += 1;
            let base = self.disks[leader].end();
            let batch = topic_batch(base, self.epoch, &format!("t{}", self.written));
            self.disks[leader].batches.push(batch);
        }
    }

    /// A follower drops what its leader does not have and takes one batch.
    fn replicate(&mut self, node: usize) {
        let Some(leader) = self.leader.filter(|leader| *leader != node) else {
            return;
        };
        let source = self.disks[leader].batches.clone();
        let log = &mut self.disks[node].batches;
        let common = log
            .iter()
            .zip(&source)
            .take_while(|(own, theirs)| own == theirs)
            .count();
        log.truncate(common);
        if let Some(next) = source.get(common) {
            log.push(next.clone());
        }
        self.commit(leader);
    }

    fn commit(&mut self, leader: usize) {
        let log = self.disks[leader].batches.clone();
        for length in (self.committed.len() + 1..=log.len()).rev() {
            let held = self
                .disks
                .iter()
                .filter(|disk| disk.batches.get(..length) == Some(&log[..length]))
                .count();
            if held > self.disks.len() / 2 && end_of(&log[length - 1]).leader_epoch.0 == self.epoch {
                self.committed = log[..length].to_vec();
                return;
            }
        }
    }
}

fn steps(size: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0..size).prop_map(Step::Elect),
        4 => Just(Step::Append),
        8 => (0..size).prop_map(Step::Replicate),
        2 => prop::collection::vec(any::<bool>(), size).prop_map(Step::Read),
    ];
    prop::collection::vec(step, 1..80)
}

impl Raft {
    fn present(&self, mask: &[bool], with_leader: bool) -> BTreeMap<NodeId, Disk> {
        let is_present =
            |node: usize| mask.get(node).copied().unwrap_or(false) || (with_leader && self.leader == Some(node));
        let disks = self.disks.iter().enumerate().filter(|(node, _)| is_present(*node));
        disks.map(|(node, disk)| (NodeId(node as i32), disk.clone())).collect()
    }

    fn take(&mut self, step: &Step) {
        let size = self.disks.len();
        match step {
            Step::Elect(node) => self.elect(node % size),
            Step::Append => self.append(),
            Step::Replicate(node) => self.replicate(node % size),
            Step::Read(_) => {}
        }
        if let (1, Some(leader)) = (size, self.leader) {
            self.commit(leader);
        }
    }

    /// A leader reaches everyone, and everyone is asked.
    fn settle_and_read(mut self, mut quorum: Quorum) -> Result<(), TestCaseError> {
        let furthest = self.disks.iter().enumerate().max_by_key(|(_, disk)| disk.last());
        self.elect(furthest.map_or(0, |(node, _)| node));
        self.append();
        for _ in 0..200 {
            for node in 0..self.disks.len() {
                self.replicate(node);
            }
        }
        let end = self.leader.map(|leader| self.disks[leader].end());
        let (metadata, standing) = found(read(&mut quorum, &self.present(&[true; 5], true)));
        prop_assert_eq!(standing, Standing::Committed);
        prop_assert_eq!(Some(metadata.at.end_offset.0), end);
        prop_assert_eq!(
            metadata.image.topics().count(),
            self.topics_up_to(metadata.at).unwrap_or(0)
        );
        Ok(())
    }

    /// How many topics the leader's log has up to a position, if that is in it.
    fn topics_up_to(&self, at: Position) -> Option<usize> {
        let log = &self.disks[self.leader?].batches;
        let last = log.iter().position(|bytes| is_at(bytes, at))?;
        Some(log[..=last].iter().filter(|bytes| !is_control(bytes)).count())
    }
}

fn is_at(bytes: &Bytes, at: Position) -> bool {
    let end = end_of(bytes);
    end.end_offset == at.end_offset && end.leader_epoch == at.epoch
}

fn is_control(bytes: &Bytes) -> bool {
    Batches::new(bytes, 0)
        .next()
        .unwrap()
        .unwrap()
        .header
        .unwrap()
        .attributes
        .is_control()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// As long as the leader can be asked: what is folded is a prefix of what Raft has committed, so it is never taken back.
    #[test]
    fn only_what_raft_has_committed_is_folded(size in prop_oneof![Just(1usize), Just(3), Just(5)], script in steps(5)) {
        let mut raft = Raft::new(size);
        let mut quorum = Quorum::default();
        quorum.configure((0..size as i32).map(NodeId).collect());
        for step in script {
            raft.take(&step);
            let Step::Read(present) = step else { continue };
            let disks = raft.present(&present, true);
            let answer = read(&mut quorum, &disks);
            if let Answer::Found(_, standing) = &answer {
                prop_assert_eq!(matches!(standing, Standing::NoMajority { .. }), disks.len() <= size / 2);
            }
            if let Some(folded) = quorum.committed().filter(|folded| folded.at.end_offset > Offset(0)) {
                prop_assert!(raft.committed.iter().any(|bytes| is_at(bytes, folded.at)), "{:?} is not committed", folded.at);
                prop_assert_eq!(Some(folded.image.topics().count()), raft.topics_up_to(folded.at));
            }
        }
        raft.settle_and_read(quorum)?;
    }

    /// Whoever can be asked: what is folded anew is held by a majority at that moment, and should it be taken back after all
    /// (the leader was out of sight), the truth prevails.
    #[test]
    fn what_is_folded_is_held_by_a_majority(size in prop_oneof![Just(3usize), Just(5)], script in steps(5)) {
        let mut raft = Raft::new(size);
        let mut quorum = Quorum::default();
        quorum.configure((0..size as i32).map(NodeId).collect());
        for step in script {
            raft.take(&step);
            let Step::Read(present) = step else { continue };
            let before = quorum.committed().map(|folded| folded.at);
            read(&mut quorum, &raft.present(&present, false));
            let Some(at) = quorum.committed().map(|folded| folded.at) else { continue };
            if Some(at) != before && at.end_offset > Offset(0) {
                let held = raft.disks.iter().filter(|disk| disk.batches.iter().any(|bytes| is_at(bytes, at))).count();
                prop_assert!(held > size / 2, "{at:?} is held by {held} of {size}");
            }
        }
        raft.settle_and_read(quorum)?;
    }

    /// Bytes that are no log are refused, whatever they are.
    #[test]
    fn garbage_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), reset: bool, checkpoint: bool) {
        let mut quorum = Quorum::default();
        let (mut request, now) = (0, Moment::default());
        let (mut reading, questions) = quorum.begin(&[NodeId(1)].into(), &mut request, now);
        let name = checkpoint.then_some(CheckpointName { end_offset: 7, epoch: 1 });
        let part = if checkpoint { (Bytes::from(bytes), Bytes::new()) } else { (Bytes::new(), Bytes::from(bytes)) };
        let reply = MetadataReply {
            request: questions[0].request, reset, checkpoint: name, checkpoint_bytes: part.0, batches: part.1, last: true,
            ..MetadataReply::default()
        };
        quorum.reply(&mut reading, NodeId(1), reply, now);
        let _ = quorum.poll(&mut reading, &mut request, now);
    }
}
