//! A cluster of replicas, elections and agents, as scripted as a test wants it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use maxbrod_cut::{BatchEnd, Cut, PartitionKey};
use maxbrod_kafka::{DirectoryId, LeaderEpoch, NodeId, Offset, PartitionId, TopicId, Uuid};

use crate::config::Require;
use crate::harvest::{Harvest, HookResult, Shipped, ShippedChunk, ShippedPiece};
use crate::layout::{Layout, Partition, RetentionClass, Topic};
use crate::quorum::Metadata;
use crate::sequencer::*;

pub(super) fn key(topic: u8, partition: i32) -> PartitionKey {
    PartitionKey {
        topic_id: TopicId(Uuid([topic; 16])),
        partition: PartitionId(partition),
    }
}

pub(super) fn batch(end: i64, epoch: i32, crc: u32) -> BatchEnd {
    BatchEnd {
        end_offset: Offset(end),
        leader_epoch: LeaderEpoch(epoch),
        crc,
    }
}

/// What happens to the metadata after the first answers of a phase.
enum Twist {
    Elect { key: PartitionKey, times: u32 },
    Members { key: PartitionKey, members: Vec<NodeId> },
    Delete { topic: TopicId },
    Create { topic: u8, name: String },
    Usurp { key: PartitionKey, leader: NodeId },
}

pub(super) struct World {
    pub(super) sequencer: Sequencer,
    now: Duration,
    layout: Layout,
    logs: BTreeMap<(NodeId, PartitionKey), Vec<BatchEnd>>,
    nodes: BTreeSet<NodeId>,
    muted: BTreeSet<NodeId>,
    damaged: BTreeSet<(NodeId, PartitionKey)>,
    unshippable: BTreeSet<(NodeId, PartitionKey)>,
    twists: Vec<(Phase, Twist)>,
    events: VecDeque<Event>,
    held: Vec<Ship>,
    started: bool,
    pub(super) standing: Standing,
    pub(super) repeat_and_reorder: bool,
    pub(super) hold_shipping: bool,
    pub(super) hold_seeding: bool,
    pub(super) commit_failure: Option<Failure>,
    pub(super) queries: Vec<Query>,
    pub(super) ships: Vec<Ship>,
    pub(super) assigns: Vec<Assign>,
    pub(super) progress: Vec<Progress>,
    unclean: BTreeMap<(TopicId, PartitionId), (Offset, NodeId)>,
    checkpoints: Option<Duration>,
    pub(super) in_pieces: bool,
    pub(super) hold_hooks: bool,
    pub(super) hook_error: Option<String>,
    pub(super) hooks: Vec<RunHooks>,
    pub(super) pinned: BTreeSet<(NodeId, PartitionKey)>,
    pub(super) released: usize,
    pub(super) run_ended: Option<(u64, u64)>,
    pub(super) harvest: Option<Harvest>,
    pub(super) finished: Option<Outcome>,
}

impl World {
    pub(super) fn new(require: Require, nodes: &[i32]) -> Self {
        let nodes: BTreeSet<NodeId> = nodes.iter().copied().map(NodeId).collect();
        let layout = Layout {
            offset: Offset(100),
            epoch: LeaderEpoch(1),
            topics: BTreeMap::new(),
            brokers: nodes.clone(),
            controllers: nodes.clone(),
        };
        Self {
            sequencer: Sequencer::new(3, Policy::of(require), Timing::default()),
            now: Duration::from_secs(1),
            layout,
            logs: BTreeMap::new(),
            nodes,
            muted: BTreeSet::new(),
            damaged: BTreeSet::new(),
            unshippable: BTreeSet::new(),
            twists: Vec::new(),
            events: VecDeque::new(),
            held: Vec::new(),
            started: false,
            standing: Standing::Committed,
            repeat_and_reorder: false,
            hold_shipping: false,
            hold_seeding: false,
            commit_failure: None,
            queries: Vec::new(),
            ships: Vec::new(),
            assigns: Vec::new(),
            progress: Vec::new(),
            unclean: BTreeMap::new(),
            checkpoints: None,
            in_pieces: false,
            hold_hooks: false,
            hook_error: None,
            hooks: Vec::new(),
            pinned: BTreeSet::new(),
            released: 0,
            run_ended: None,
            harvest: None,
            finished: None,
        }
    }

    pub(super) fn require(&mut self, require: Require) {
        self.policy(Policy::of(require));
    }

    pub(super) fn policy(&mut self, policy: Policy) {
        self.sequencer = Sequencer::new(3, policy, Timing::default());
    }

    /// The brokers write their high watermarks this often; a partition's is where its shortest replica ends.
    pub(super) fn checkpoint_every(&mut self, interval: Duration) {
        self.checkpoints = Some(interval);
    }

    // ---- the cluster ------------------------------------------------------------------------------------------------

    pub(super) fn topic(&mut self, id: u8, name: &str, partitions: &[&[i32]]) {
        let partitions = partitions.iter().enumerate().map(|(index, members)| {
            let members: Vec<NodeId> = members.iter().copied().map(NodeId).collect();
            let state = Partition {
                leader: members.first().copied(),
                leader_epoch: LeaderEpoch(9),
                members,
            };
            (PartitionId(index as i32), state)
        });
        let partitions = partitions.collect();
        let compacted = name.starts_with("__");
        let topic = Topic {
            name: name.to_owned(),
            compacted,
            tiered: false,
            class: RetentionClass::Month,
            partitions,
        };
        self.layout.topics.insert(TopicId(Uuid([id; 16])), topic);
    }

    pub(super) fn write_all(&mut self, topic: u8, partition: i32, batches: &[BatchEnd]) {
        for node in self.nodes.clone() {
            self.logs.insert((node, key(topic, partition)), batches.to_vec());
        }
    }

    pub(super) fn write(&mut self, node: i32, topic: u8, partition: i32, batches: &[BatchEnd]) {
        self.logs
            .insert((NodeId(node), key(topic, partition)), batches.to_vec());
    }

    pub(super) fn set_members(&mut self, topic: u8, partition: i32, members: &[i32]) {
        if let Some(state) = self.partition_mut(key(topic, partition)) {
            state.members = members.iter().copied().map(NodeId).collect();
        }
    }

    fn partition_mut(&mut self, key: PartitionKey) -> Option<&mut Partition> {
        self.layout
            .topics
            .get_mut(&key.topic_id)?
            .partitions
            .get_mut(&key.partition)
    }

    pub(super) fn damage(&mut self, node: i32, topic: u8, partition: i32) {
        self.damaged.insert((NodeId(node), key(topic, partition)));
    }

    pub(super) fn repair(&mut self) {
        self.damaged.clear();
    }

    pub(super) fn fail_shipping(&mut self, node: i32, topic: u8, partition: i32) {
        self.unshippable.insert((NodeId(node), key(topic, partition)));
    }

    pub(super) fn mute(&mut self, node: i32) {
        self.muted.insert(NodeId(node));
    }

    pub(super) fn unmute(&mut self, node: i32) {
        self.muted.remove(&NodeId(node));
    }

    pub(super) fn elect_after(&mut self, phase: Phase, topic: u8, partition: i32, times: u32) {
        self.twists.push((
            phase,
            Twist::Elect {
                key: key(topic, partition),
                times,
            },
        ));
    }

    pub(super) fn members_after(&mut self, phase: Phase, topic: u8, partition: i32, members: &[i32]) {
        let members = members.iter().copied().map(NodeId).collect();
        self.twists.push((
            phase,
            Twist::Members {
                key: key(topic, partition),
                members,
            },
        ));
    }

    pub(super) fn delete_after(&mut self, phase: Phase, topic: u8) {
        self.twists.push((
            phase,
            Twist::Delete {
                topic: TopicId(Uuid([topic; 16])),
            },
        ));
    }

    /// A topic of one partition with one batch, on node 1, appears in the metadata with the first answers of a phase.
    pub(super) fn create_after(&mut self, phase: Phase, topic: u8, name: &str) {
        let name = name.to_owned();
        self.twists.push((phase, Twist::Create { topic, name }));
    }

    /// A replica that is not in sync is elected.
    pub(super) fn usurp_after(&mut self, phase: Phase, topic: u8, partition: i32, leader: i32) {
        let (key, leader) = (key(topic, partition), NodeId(leader));
        self.twists.push((phase, Twist::Usurp { key, leader }));
    }

    pub(super) fn tier(&mut self, topic: u8) {
        if let Some(topic) = self.layout.topics.get_mut(&TopicId(Uuid([topic; 16]))) {
            topic.tiered = true;
        }
    }

    // ---- what happens -----------------------------------------------------------------------------------------------

    pub(super) fn start(&mut self) {
        self.started = true;
        self.handle(Event::RunOpened(OpenRun {
            run: 7,
            base: Arc::default(),
        }));
        for node in self.nodes.clone() {
            self.handle(Event::AgentJoined { node });
        }
    }

    pub(super) fn join(&mut self, node: i32) {
        self.nodes.insert(NodeId(node));
        if self.started {
            self.handle(Event::AgentJoined { node: NodeId(node) });
        }
    }

    pub(super) fn leave(&mut self, node: i32) {
        self.nodes.remove(&NodeId(node));
        if self.started {
            self.handle(Event::AgentLeft { node: NodeId(node) });
        }
    }

    pub(super) fn create(&mut self) {
        self.finished = None;
        self.harvest = None;
        self.handle(Event::Create {
            label: "test".to_owned(),
            consistency: None,
        });
        self.pass(Duration::from_millis(300));
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(100);
            self.handle(Event::Tick);
        }
    }

    /// Lets the agents do what they were held back from.
    pub(super) fn reship(&mut self) {
        for ship in std::mem::take(&mut self.held) {
            self.ship(&ship);
        }
        self.drain();
    }

    pub(super) fn outcome(&self) -> &Outcome {
        self.finished.as_ref().expect("the snapshot has ended")
    }

    /// Whether a node's log holds the batch that a cut names, and so everything below it.
    pub(super) fn holds(&self, node: NodeId, key: PartitionKey, cut: &Cut, compacted: bool) -> bool {
        let Some(log) = self.logs.get(&(node, key)) else {
            return false;
        };
        match cut {
            Cut::Empty(offset) => *offset == Offset(0),
            Cut::After(batch) => log.iter().any(|own| {
                own.end_offset == batch.end_offset
                    && own.leader_epoch == batch.leader_epoch
                    && (compacted || own.crc == batch.crc)
            }),
        }
    }

    pub(super) fn source_of(&self, topic: u8, partition: i32) -> i32 {
        let key = key(topic, partition);
        let named = |assign: &&Assign| assign.partitions.iter().any(|order| order.key == key);
        self.assigns
            .iter()
            .rev()
            .find(named)
            .map(|assign| assign.node.0)
            .expect("assigned")
    }

    pub(super) fn handle(&mut self, event: Event) {
        self.events.push_back(event);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(event) = self.events.pop_front() {
            self.now += Duration::from_micros(10);
            for command in self.sequencer.handle(Moment(self.now), event) {
                self.obey(command);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::ReadMetadata { reading } => {
                let event = if self.nodes.is_empty() {
                    Event::NoMetadata {
                        reading,
                        why: "no agent of a controller is connected".to_owned(),
                    }
                } else {
                    let layout = Arc::new(self.layout.clone());
                    let view = View {
                        layout,
                        metadata: Metadata {
                            unclean_elections: Arc::new(self.unclean.clone()),
                            ..Metadata::of_nothing()
                        },
                        standing: self.standing.clone(),
                    };
                    Event::Metadata { reading, view }
                };
                self.events.push_back(event);
            }
            Command::Assign(assign) => {
                if !self.hold_seeding {
                    let (node, run, generation) = (assign.node, assign.run, assign.generation);
                    self.events.push_back(Event::CaughtUp { node, run, generation });
                }
                self.assigns.push(assign);
            }
            Command::Query(query) => self.answer(query),
            Command::Ship(ship) => {
                self.ships.push(ship.clone());
                if self.hold_shipping {
                    self.held.push(ship);
                } else {
                    self.ship(&ship);
                }
            }
            Command::RunHooks(order) => {
                self.hooks.push(order);
                if !self.hold_hooks {
                    self.events.push_back(self.hooks_ended());
                }
            }
            Command::Release { .. } => self.released += 1,
            Command::Commit(harvest) => {
                let run = harvest.run;
                self.harvest = Some(*harvest);
                let result = CommitResult {
                    id: "snapshot".to_owned(),
                    consistency: maxbrod_cut::Level::CrashConsistent,
                    new_bytes: 0,
                    read_bytes: 0,
                    logical_bytes: 0,
                    partitions: 0,
                };
                let next = Some(OpenRun {
                    run: run + 1,
                    base: Arc::default(),
                });
                self.events.push_back(match &self.commit_failure {
                    Some(failure) => Event::CommitFailed(failure.clone()),
                    None => Event::Committed { result, next },
                });
            }
            Command::EndRun { run, open_run, .. } => self.run_ended = Some((run, open_run)),
            Command::Progress(progress) => self.progress.push(progress),
            Command::Finished(outcome) => self.finished = Some(outcome),
        }
    }

    /// The answer to the last order to run hooks.
    pub(super) fn hooks_ended(&self) -> Event {
        let order = self.hooks.last().expect("hooks were run");
        Event::HooksEnded {
            attempt: order.attempt,
            results: vec![HookResult {
                name: "application".to_owned(),
                moment: order.moment,
                exit_code: Some(0),
                duration: Duration::from_millis(5),
                output: String::new(),
                error: self.hook_error.clone(),
                may_fail: false,
            }],
        }
    }

    fn answer(&mut self, query: Query) {
        self.queries.push(query.clone());
        if self.muted.contains(&query.node) {
            return;
        }
        let mut messages = Vec::new();
        for asked in &query.partitions {
            if asked.pin_from.is_some() {
                self.pinned.insert((query.node, asked.key));
            }
            for seen in self.pieces(self.look(&query, asked)) {
                messages.push(Reports {
                    run: query.run,
                    attempt: query.attempt,
                    phase: query.phase,
                    request: query.request,
                    reports: vec![Report { key: asked.key, seen }],
                });
            }
        }
        if self.repeat_and_reorder {
            messages.reverse();
            messages.extend(messages.clone());
        }
        let node = query.node;
        self.events
            .extend(messages.into_iter().map(|reports| Event::Reports { node, reports }));
        self.twist(&query);
    }

    /// A report as one piece, or each of its batches in a piece of its own.
    fn pieces(&self, seen: Result<Seen, String>) -> Vec<Result<Seen, String>> {
        match seen {
            Ok(seen) if self.in_pieces && seen.batches.len() > 1 => {
                let last = seen.batches.len() - 1;
                let piece = |(index, batch): (usize, &BatchEnd)| {
                    let mut piece = seen.clone();
                    piece.batches = vec![*batch];
                    piece.more = index < last;
                    if index > 0 {
                        piece.leader_epochs.clear();
                    }
                    Ok(piece)
                };
                seen.batches.iter().enumerate().map(piece).collect()
            }
            seen => vec![seen],
        }
    }

    /// The high watermark in the broker's newest checkpoint, and the file's age.
    fn checkpointed(&self, key: PartitionKey) -> Option<(Offset, Duration)> {
        let interval = self.checkpoints?;
        let age = Duration::from_nanos((self.now.as_nanos() % interval.as_nanos()) as u64);
        let ends = self.logs.iter().filter(|((_, of), _)| *of == key);
        let shortest = ends
            .map(|(_, log)| log.last().map_or(Offset(0), |batch| batch.end_offset))
            .min();
        Some((shortest?, age))
    }

    fn look(&self, query: &Query, asked: &QueryPartition) -> Result<Seen, String> {
        if self.damaged.contains(&(query.node, asked.key)) {
            return Err("it has no replica there".to_owned());
        }
        let log = self
            .logs
            .get(&(query.node, asked.key))
            .ok_or("it has no replica there")?;
        let above = asked
            .since
            .map_or(0, |since| log.iter().filter(|batch| batch.end_offset > since).count());
        let first = log.len().saturating_sub(above + query.depth as usize);
        let mut leader_epochs: Vec<(LeaderEpoch, Offset)> = Vec::new();
        let mut start = Offset(0);
        for batch in log {
            if leader_epochs
                .last()
                .is_none_or(|(epoch, _)| *epoch < batch.leader_epoch)
            {
                leader_epochs.push((batch.leader_epoch, start));
            }
            start = batch.end_offset;
        }
        Ok(Seen {
            log_start: Offset(0),
            log_end: log.last().map_or(Offset(0), |batch| batch.end_offset),
            batches: log[first..].to_vec(),
            whole: first == 0,
            leader_epochs: if asked.leader_epochs { leader_epochs } else { Vec::new() },
            transactional: Vec::new(),
            directory: DirectoryId(Uuid([1; 16])),
            pin_failure: None,
            records: Vec::new(),
            states: Vec::new(),
            records_error: None,
            checkpointed: self.checkpointed(asked.key),
            active_base: None,
            more: false,
        })
    }

    fn twist(&mut self, query: &Query) {
        for (phase, twist) in std::mem::take(&mut self.twists) {
            let concerns =
                |key: &PartitionKey| phase == query.phase && query.partitions.iter().any(|asked| asked.key == *key);
            match twist {
                Twist::Elect { key, times } if concerns(&key) => {
                    if let Some(state) = self.partition_mut(key) {
                        state.leader_epoch = LeaderEpoch(state.leader_epoch.0 + 1);
                    }
                    if times > 1 {
                        self.twists.push((phase, Twist::Elect { key, times: times - 1 }));
                    }
                }
                Twist::Members { key, members } if concerns(&key) => {
                    if let Some(state) = self.partition_mut(key) {
                        state.members = members;
                    }
                }
                Twist::Usurp { key, leader } if phase == query.phase => {
                    self.unclean
                        .insert((key.topic_id, key.partition), (self.layout.offset, leader));
                    if let Some(state) = self.partition_mut(key) {
                        state.leader = Some(leader);
                        state.leader_epoch = LeaderEpoch(state.leader_epoch.0 + 1);
                        state.members = vec![leader];
                    }
                    self.layout.offset = Offset(self.layout.offset.0 + 1);
                }
                Twist::Create { topic, name } if phase == query.phase => {
                    self.topic(topic, &name, &[&[1]]);
                    self.write(1, topic, 0, &[batch(3, 0, 7)]);
                }
                Twist::Delete { topic } if phase == query.phase => {
                    self.layout.topics.remove(&topic);
                }
                twist => self.twists.push((phase, twist)),
            }
        }
    }

    fn ship(&mut self, ship: &Ship) {
        let node = ship.node;
        if !self.nodes.contains(&node) {
            return;
        }
        for order in &ship.cuts {
            if self.unshippable.contains(&(node, order.key)) {
                let failure = ShipFailure {
                    run: ship.run,
                    attempt: ship.attempt,
                    key: order.key,
                    code: "segment-damaged".to_owned(),
                    message: "read segment 0: CRC mismatch".to_owned(),
                    try_elsewhere: true,
                };
                self.events.push_back(Event::ShipFailed { node, failure });
                continue;
            }
            let chunk = ShippedChunk {
                id: [7; 32],
                base_offset: Offset(0),
                next_offset: order.cut.offset(),
                leader_epoch: LeaderEpoch(0),
                logical_length: 100,
                place: None,
                closed: true,
            };
            let chunks = if order.cut.offset() == Offset(0) {
                Vec::new()
            } else {
                vec![chunk]
            };
            let shipped = Shipped {
                chunks,
                partition_metadata: "version: 0".to_owned(),
                ..Shipped::default()
            };
            let piece = ShippedPiece {
                run: ship.run,
                attempt: ship.attempt,
                key: order.key,
                shipped,
                more: false,
            };
            let copies = if self.repeat_and_reorder { 2 } else { 1 };
            for _ in 0..copies {
                self.events.push_back(Event::Shipped {
                    node,
                    piece: piece.clone(),
                });
            }
        }
    }
}
