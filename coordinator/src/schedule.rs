//! When the next snapshot of a simple interval is due.

use std::time::Duration;

use crate::sequencer::Moment;

/// Snapshots at an interval, counted from the coordinator's start. Turns that were missed are not made up for.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    every: Duration,
    next: Moment,
}

impl Schedule {
    /// Begins now; the first turn comes after one interval.
    pub fn new(every: Duration, now: Moment) -> Self {
        Self {
            every,
            next: now.after(every),
        }
    }

    /// Whether a snapshot is due. One that is due is due once.
    pub fn is_due(&mut self, now: Moment) -> bool {
        if now < self.next || self.every.is_zero() {
            return false;
        }
        while self.next <= now {
            self.next = self.next.after(self.every);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn a_snapshot_is_due_once_an_interval() {
        let mut schedule = Schedule::new(Duration::from_secs(900), at(10));
        assert!(!schedule.is_due(at(10)));
        assert!(!schedule.is_due(at(909)));
        assert!(schedule.is_due(at(910)));
        assert!(!schedule.is_due(at(911)));
        assert!(schedule.is_due(at(1810)));
    }

    #[test]
    fn missed_turns_are_not_made_up_for() {
        let mut schedule = Schedule::new(Duration::from_secs(60), at(0));
        assert!(schedule.is_due(at(3_600)));
        assert!(!schedule.is_due(at(3_601)));
        assert!(schedule.is_due(at(3_660)));
    }
}
