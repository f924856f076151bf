//! The second half of a snapshot: cutting, shipping, committing.

use std::collections::BTreeSet;

use maxbrod_cut::{Level, PartitionKey};
use maxbrod_kafka::{NodeId, Offset, PartitionId};

use super::shipping::{Parcel, Shipping};
use super::snapshot::{Snapshot, Step};
use super::*;
use crate::config::HookMoment;
use crate::harvest::{Harvest, ShippedPiece};

/// A snapshot that must reach a level is begun at most so often.
const MOST_TRIES: u32 = 3;

impl Sequencer {
    /// Chooses the cuts and has them shipped.
    pub(super) fn ship(&mut self, view: &View, now: Moment, out: &mut Vec<Command>) {
        let Some(snapshot) = &mut self.snapshot else { return };
        snapshot.times.metadata = now;
        for key in snapshot.captures.keys() {
            if view.layout.partition(&key).is_none() {
                snapshot.drop_deleted(&key);
            }
        }
        let cuts = maxbrod_cut::solve(&snapshot.captures.to_capture());
        snapshot.level = cuts.level.min(snapshot.captures.support(&view.standing));
        snapshot.name_losses(view, self.losses_said);
        let mut parcels = Vec::new();
        for (key, cut) in &cuts.cuts {
            let Some(captured) = snapshot.captures.get(key) else {
                continue;
            };
            let Some(source) = captured.source else { continue };
            parcels.push(Parcel {
                order: captured.order.clone(),
                source,
                cut: *cut,
                leader_epochs: captured.leader_epochs_below(cut),
                vouched: captured.vouched,
            });
        }
        if let Standing::NoMajority { silent } = &view.standing {
            let nodes: Vec<String> = silent.iter().map(|node| format!("node {node}")).collect();
            snapshot.gap(
                "metadata".to_owned(),
                format!(
                    "no majority of the controllers vouches for it: no answering agent on {}",
                    nodes.join(", ")
                ),
                "start maxbrod-agent on every controller",
            );
        } else if view.standing == Standing::Unsettled {
            snapshot.gap(
                "metadata".to_owned(),
                "a controller has newer records, which no majority took over in time",
                "check the quorum with kafka-metadata-quorum describe --status, then snapshot again",
            );
        }
        let offsets = cut_offsets(&parcels);
        snapshot.view = Some(view.clone());
        snapshot.cuts = Some(cuts);
        if snapshot.level < snapshot.required {
            self.miss(now, out);
            return;
        }
        snapshot.step = Step::Shipping(Box::new(Shipping::new(parcels)));
        if self.policy.hooks_at_cut {
            self.run_hooks(HookMoment::Cut, offsets, out);
        }
    }

    /// The level that is required was not reached: the next moment may be a better one.
    fn miss(&mut self, now: Moment, out: &mut Vec<Command>) {
        let Some(snapshot) = &self.snapshot else { return };
        if snapshot.tries < MOST_TRIES {
            self.begin_anew(now, out);
            return;
        }
        let gaps = snapshot.gaps.iter().map(|gap| format!("{}: {}", gap.what, gap.why));
        let notes = snapshot.all_notes().map(|note| note.text.clone());
        let reasons: Vec<String> = gaps.chain(notes).take(3).collect();
        let failure = Failure::new(
            "consistency-not-reached",
            format!(
                "take a snapshot that is {}: it would be {} after {} tries ({})",
                snapshot.required,
                snapshot.level,
                snapshot.tries,
                reasons.join("; ")
            ),
            "remove what is named, snapshot again when elections have settled, or ask for less with --require-consistency",
        );
        self.fail(failure, now, out);
    }

    pub(super) fn on_shipped(&mut self, node: NodeId, piece: ShippedPiece, now: Moment) {
        let run = self.run();
        let Some(snapshot) = &mut self.snapshot else { return };
        if let Step::Shipping(shipping) = &mut snapshot.step
            && piece.attempt == snapshot.attempt
            && Some(piece.run) == run
        {
            shipping.arrived(node, piece, now);
        }
    }

    pub(super) fn on_ship_failed(&mut self, node: NodeId, failure: &ShipFailure) {
        let run = self.run();
        let Some(snapshot) = &mut self.snapshot else { return };
        if let (Step::Shipping(shipping), Some(view)) = (&mut snapshot.step, &snapshot.view)
            && failure.attempt == snapshot.attempt
            && Some(failure.run) == run
        {
            shipping.failed(node, failure, &view.layout, &self.connected);
        }
    }

    pub(super) fn advance_shipping(&mut self, now: Moment, out: &mut Vec<Command>) {
        let Some(run) = self.assignments.run().map(|run| run.run) else {
            return;
        };
        let Some(snapshot) = &mut self.snapshot else { return };
        let Step::Shipping(shipping) = &mut snapshot.step else {
            return;
        };
        let assignments = &self.assignments;
        let orders = shipping.orders(&self.connected, |node, key| assignments.names(node, key), now);
        for (node, cuts) in orders {
            out.push(Command::Ship(Ship {
                node,
                run,
                attempt: snapshot.attempt,
                cuts,
            }));
        }
        let refused = match self.policy.require {
            Require::All => shipping.given_up().first(),
            Require::OneReplica => None,
        };
        if let Some(lost) = refused {
            let failure = Failure::new(
                "partition-not-shipped",
                format!("ship partition {}-{}: {}", lost.topic, lost.key.partition, lost.why),
                "see the agents' logs; snapshot again, or allow gaps with [snapshot] require = \"one-replica\"",
            );
            self.fail(failure, now, out);
            return;
        }
        if shipping.is_over() && !snapshot.hooks.pending {
            self.commit(now, out);
        }
    }

    fn commit(&mut self, now: Moment, out: &mut Vec<Command>) {
        let Some(run) = self.run() else { return };
        let Some(snapshot) = &mut self.snapshot else { return };
        let Some(view) = snapshot.view.clone() else { return };
        let Step::Shipping(shipping) = std::mem::replace(&mut snapshot.step, Step::Committing) else {
            return;
        };
        let (partitions, given_up) = shipping.finish();
        if !given_up.is_empty() {
            // What is missing can be a part of a transaction.
            snapshot.level = snapshot.level.min(Level::BestEffort);
        }
        for lost in given_up {
            snapshot.gap(
                format!("partition {}-{}", lost.topic, lost.key.partition),
                format!("no replica could be shipped: {}", lost.why),
                "see the agents' logs, then snapshot again",
            );
        }
        snapshot.times.shipped = now;
        let shipped: BTreeSet<PartitionKey> = partitions.iter().map(|partition| partition.order.key).collect();
        let missing = snapshot
            .captures
            .keys()
            .into_iter()
            .filter(|key| !shipped.contains(key))
            .collect();
        out.push(Command::Commit(Box::new(Harvest {
            run,
            attempt: snapshot.attempt,
            label: snapshot.label.clone(),
            times: snapshot.times,
            level: snapshot.level,
            view,
            partitions,
            missing,
            gaps: snapshot.gaps.iter().cloned().collect(),
            notes: snapshot.all_notes().cloned().collect(),
            cut_back: snapshot.cut_back(),
            hooks: snapshot.hooks.results.clone(),
        })));
    }

    pub(super) fn on_committed(
        &mut self,
        result: CommitResult,
        next: Option<OpenRun>,
        now: Moment,
        out: &mut Vec<Command>,
    ) {
        let run = self.run().unwrap_or(0);
        let open_run = next.as_ref().map_or(0, |next| next.run);
        out.push(Command::EndRun {
            run,
            open_run,
            committed: true,
        });
        if let Some(view) = self.snapshot.as_ref().and_then(|snapshot| snapshot.view.as_ref()) {
            self.losses_said = view.layout.offset;
        }
        if let Some(next) = next {
            self.assignments.open(next);
            self.look(now, out);
        }
        if let Some(snapshot) = self.snapshot.take() {
            out.push(Command::Finished(snapshot.outcome(run, now, Ok(result))));
        }
    }

    /// The run was given up: nothing that was stored for it counts.
    pub(super) fn on_run_closed(&mut self, next: OpenRun, now: Moment, out: &mut Vec<Command>) {
        let failure = Failure::new("run-closed", "take a snapshot: its run was given up", "create it again");
        self.fail(failure, now, out);
        let run = self.run().unwrap_or(0);
        out.push(Command::EndRun {
            run,
            open_run: next.run,
            committed: false,
        });
        self.assignments.open(next);
        self.look(now, out);
    }

    pub(super) fn on_commit_failed(&mut self, failure: Failure, now: Moment, out: &mut Vec<Command>) {
        if matches!(
            &self.snapshot,
            Some(Snapshot {
                step: Step::Committing,
                ..
            })
        ) {
            self.fail(failure, now, out);
        }
    }
}

fn cut_offsets(parcels: &[Parcel]) -> Vec<(String, PartitionId, Offset)> {
    parcels
        .iter()
        .map(|parcel| {
            (
                parcel.order.topic.clone(),
                parcel.order.key.partition,
                parcel.cut.offset(),
            )
        })
        .collect()
}
