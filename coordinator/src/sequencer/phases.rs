//! The phases A, M, q, g, p, z of a snapshot, and the metadata after them.

use super::capture::gap_of;
use super::round::{Question, Round, Step as RoundStep};
use super::snapshot::{Snapshot, Step};
use super::*;

impl Sequencer {
    /// Begins the phases with the metadata of this moment.
    pub(super) fn begin(&mut self, view: &View, now: Moment, out: &mut Vec<Command>) {
        self.assign(now, out);
        let Some(snapshot) = &mut self.snapshot else { return };
        snapshot.times.began = now;
        snapshot.began_at = view.layout.offset;
        for topic in view.layout.topics.values().filter(|topic| topic.tiered) {
            snapshot.gap(
                format!("topic {}", topic.name),
                "it is tiered (remote.storage.enable): the snapshot holds what is on the brokers' disks, not the segments \
                 that are only in remote storage",
                "back the remote storage up by its own means, and restore both together",
            );
        }
        self.enter(Phase::A, view, now, out);
    }

    /// Enters a phase, or the next one that is about anything.
    fn enter(&mut self, phase: Phase, view: &View, now: Moment, out: &mut Vec<Command>) {
        let mut phase = Some(phase);
        while let Some(next) = phase {
            let Some(run) = self.assignments.run() else { return };
            let Some(snapshot) = &mut self.snapshot else { return };
            // Whatever the decisions read by now can name is in this metadata: what is new in it is captured too.
            snapshot.captures.extend(&view.layout, run, next > Phase::A);
            snapshot.times.enter(next, now);
            let targets = snapshot.captures.targets(next, run, |key| self.assignments.source(key));
            if !targets.is_empty() {
                let round = Round::new(
                    next,
                    targets,
                    &view.layout,
                    &self.connected,
                    &snapshot.excused,
                    &self.timing,
                    now,
                );
                snapshot.step = Step::Phase(Box::new(round));
                return;
            }
            phase = snapshot.following(next);
        }
        // The last image was read after the last report of the last phase that had partitions: it is the snapshot's.
        self.ship(view, now, out);
    }

    pub(super) fn on_reports(&mut self, node: NodeId, reports: Reports, now: Moment) {
        let run = self.run();
        let Some(snapshot) = &mut self.snapshot else { return };
        if let Step::Phase(round) = &mut snapshot.step
            && reports.attempt == snapshot.attempt
            && Some(reports.run) == run
            && reports.phase == round.phase()
        {
            round.accept(node, reports, now);
        }
    }

    /// Asks what is open in the phase.
    pub(super) fn advance_phase(&mut self, now: Moment, out: &mut Vec<Command>) {
        let Some(run) = self.run() else { return };
        let Some(snapshot) = &mut self.snapshot else { return };
        let Step::Phase(round) = &mut snapshot.step else { return };
        let (questions, step) = round.advance(&self.connected, &mut self.next_request, now);
        let (attempt, phase) = (snapshot.attempt, round.phase());
        for Question {
            node,
            request,
            depth,
            partitions,
        } in questions
        {
            out.push(Command::Query(Query {
                node,
                run,
                attempt,
                phase,
                request,
                depth,
                partitions,
            }));
        }
        if matches!(step, RoundStep::ReadMetadata) {
            self.look_anew(now, out);
        }
    }

    /// Compares the phase's reports with the metadata after them, and goes on when they agree.
    pub(super) fn settle(&mut self, view: &View, now: Moment, out: &mut Vec<Command>) {
        let Some(snapshot) = &mut self.snapshot else { return };
        let Step::Phase(round) = &mut snapshot.step else { return };
        if !round.settle(&view.layout, &self.connected, &self.timing, now) {
            return;
        }
        let Step::Phase(round) = std::mem::replace(&mut snapshot.step, Step::Poised) else {
            return;
        };
        let phase = round.phase();
        let (findings, gone) = round.finish();
        for key in gone {
            snapshot.drop_deleted(&key);
        }
        let mut unvouched = None;
        for (key, finding) in &findings {
            let Some(gap) = gap_of(&view.layout.name_of(key), finding) else {
                continue;
            };
            // An unstable leader lowers the level; a missing voucher is a matter of policy.
            if phase != Phase::Z && (!finding.unstable || finding.cut.is_none()) {
                unvouched.get_or_insert_with(|| gap.clone());
            }
            if !matches!(phase, Phase::A | Phase::M | Phase::Z) {
                snapshot.gaps.insert(gap);
            }
            // Who was waited for in vain is not waited for in every phase.
            snapshot.excused.extend(finding.absent.iter().map(|(node, _)| *node));
        }
        if let (Some(gap), Require::All) = (unvouched, self.policy.require) {
            let failure = Failure::new(
                "partition-not-vouched",
                format!("capture {}: {}", gap.what, gap.why),
                gap.remedy,
            );
            self.fail(failure, now, out);
            return;
        }
        snapshot.captures.record(phase, findings);
        match snapshot.following(phase) {
            Some(next) => self.enter(next, view, now, out),
            None => self.ship(view, now, out),
        }
    }

    /// Tells how far it is, if that is new.
    pub(super) fn tell(&mut self, out: &mut Vec<Command>) {
        let Some(snapshot) = &mut self.snapshot else { return };
        let progress = snapshot.progress(&self.assignments);
        if snapshot.told.as_ref() != Some(&progress) {
            snapshot.told = Some(progress.clone());
            out.push(Command::Progress(progress));
        }
    }

    /// Tells when another stage has begun.
    pub(super) fn tell_stage(&mut self, out: &mut Vec<Command>) {
        let Some(snapshot) = &self.snapshot else { return };
        if snapshot.told.as_ref().is_none_or(|told| told.stage != snapshot.stage()) {
            self.tell(out);
        }
    }
}

impl Snapshot {
    fn progress(&self, assignments: &Assignments) -> Progress {
        let all = self.captures.len() as u64;
        let [partitions_done, partitions_total, bytes_done, bytes_total] = match &self.step {
            Step::Gathering { .. } | Step::Resting { .. } | Step::Hooks => [0; 4],
            Step::Seeding | Step::Poised => {
                let [total, done, shipped, bytes] = assignments.progress();
                [done, total, shipped, bytes]
            }
            Step::Phase(round) => {
                let (done, total) = round.progress();
                [done, total, 0, 0]
            }
            Step::Shipping(shipping) => {
                let [done, total, bytes] = shipping.progress();
                [done, total, bytes, 0]
            }
            Step::Committing => [all, all, 0, 0],
        };
        Progress {
            stage: self.stage(),
            run: assignments.run().map_or(0, |run| run.run),
            attempt: self.attempt,
            partitions_done,
            partitions_total,
            bytes_done,
            bytes_total,
        }
    }

    /// The phase after one.
    fn following(&self, phase: Phase) -> Option<Phase> {
        match phase {
            Phase::A => Some(Phase::M),
            Phase::M => Some(Phase::Q),
            Phase::Q if self.captures.needs_another_sweep() => Some(Phase::M),
            Phase::Q => Some(Phase::G),
            Phase::G => Some(Phase::P),
            Phase::P => Some(Phase::C),
            Phase::C if self.captures.has_older_clients() => Some(Phase::Z),
            Phase::C | Phase::Z => None,
        }
    }

    pub(super) fn outcome(&self, run: u64, now: Moment, result: Result<CommitResult, Failure>) -> Outcome {
        Outcome {
            run,
            attempt: self.attempt,
            label: self.label.clone(),
            duration: now.since(self.times.started),
            freeze: self.times.freeze(),
            hooks: self.hooks.results.clone(),
            cut_back: self.cut_back(),
            notes: self.all_notes().map(|note| note.text.clone()).collect(),
            gaps: self.gaps.iter().cloned().collect(),
            result,
        }
    }
}
