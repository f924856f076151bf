//! One line of the report: what was measured, against what, and whether the number is held.

use crate::spread::{Pairs, Samples};

/// What a number is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
    Mebibytes,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value < 0.1 => format!("{:.1} ms", value * 1_000.0),
            Self::Seconds => format!("{value:.2} s"),
            Self::Milliseconds if value < 100.0 => format!("{value:.1} ms"),
            Self::Milliseconds => format!("{value:.0} ms"),
            Self::Mebibytes => format!("{value:.1} MiB"),
        }
    }

    fn spread(self, samples: &Samples) -> String {
        if samples.0.len() == 1 {
            return self.show(samples.median());
        }
        format!(
            "{} ({} to {})",
            self.show(samples.median()),
            self.show(samples.min()),
            self.show(samples.max())
        )
    }
}

/// Whether a number is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Held,
    NotHeld,
    /// The limit lies within the confidence interval.
    Undecided,
}

/// A number of the design, measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) against: String,
    pub(crate) ours: String,
    pub(crate) theirs: String,
    pub(crate) result: String,
    pub(crate) limit: String,
    pub(crate) verdict: Verdict,
    /// What a reader must know to believe it.
    pub(crate) notes: Vec<String>,
}

impl Row {
    /// A ratio whose median must not be larger than `limit`.
    pub(crate) fn ratio(what: &str, against: &str, pairs: &Pairs, unit: Unit, limit: f64) -> Self {
        let ratios = pairs.ratios();
        Self {
            what: what.to_owned(),
            against: against.to_owned(),
            ours: unit.spread(&pairs.ours),
            theirs: unit.spread(&pairs.theirs),
            result: format!(
                "{:.2}× ({:.2} to {:.2}, n = {})",
                ratios.median(),
                ratios.min(),
                ratios.max(),
                ratios.0.len()
            ),
            limit: format!("≤ {limit}×"),
            verdict: Verdict::of(ratios.median() <= limit),
            notes: Vec::new(),
        }
    }

    /// A ratio that is held if the interval in which its median lies with 95 % confidence ends at or below `limit`.
    pub(crate) fn ratio_within_confidence(what: &str, against: &str, pairs: &Pairs, unit: Unit, limit: f64) -> Self {
        let ratios = pairs.ratios();
        let (low, high) = ratios.confidence_of_median();
        let mut row = Self::ratio(what, against, pairs, unit, limit);
        row.result = format!(
            "{:.2}×, 95 % confidence {low:.2} to {high:.2}, n = {}",
            ratios.median(),
            ratios.0.len()
        );
        row.limit = format!("≤ {limit}× within the confidence interval");
        row.verdict = match (low <= limit, high <= limit) {
            (_, true) => Verdict::Held,
            (true, false) => Verdict::Undecided,
            (false, false) => Verdict::NotHeld,
        };
        row
    }

    /// A figure that by itself must not be larger than `limit`.
    pub(crate) fn at_most(what: &str, samples: &Samples, value: f64, name: &str, unit: Unit, limit: f64) -> Self {
        Self {
            what: what.to_owned(),
            against: "–".to_owned(),
            ours: unit.spread(samples),
            theirs: "–".to_owned(),
            result: format!("{name} {} (n = {})", unit.show(value), samples.0.len()),
            limit: format!("≤ {}", unit.show(limit)),
            verdict: Verdict::of(value <= limit),
            notes: Vec::new(),
        }
    }

    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

impl Verdict {
    fn of(held: bool) -> Self {
        if held { Self::Held } else { Self::NotHeld }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Held => "held",
            Self::NotHeld => "NOT HELD",
            Self::Undecided => "undecided",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, Unit, Verdict};
    use crate::spread::{Pairs, Samples};

    fn pairs(ratios: &[f64]) -> Pairs {
        let mut pairs = Pairs::default();
        for ratio in ratios {
            pairs.push(*ratio, 1.0);
        }
        pairs
    }

    #[test]
    fn the_median_decides_whether_a_ratio_is_held() {
        let row = |ratios: &[f64]| Row::ratio("a", "b", &pairs(ratios), Unit::Seconds, 1.5);
        assert_eq!(row(&[1.4, 9.0, 1.5]).verdict, Verdict::Held);
        assert_eq!(row(&[1.6, 1.6, 0.1]).verdict, Verdict::NotHeld);
        assert_eq!(row(&[]).verdict, Verdict::NotHeld, "nothing measured holds nothing");
    }

    #[test]
    fn a_ratio_is_undecided_while_its_limit_lies_within_the_confidence_interval() {
        let verdict =
            |ratios: &[f64]| Row::ratio_within_confidence("a", "b", &pairs(ratios), Unit::Milliseconds, 1.1).verdict;
        let around: Vec<f64> = (0..20).map(|number| 0.9 + 0.02 * f64::from(number)).collect();
        assert_eq!(verdict(&around), Verdict::Undecided);
        assert_eq!(verdict(&[1.05; 20]), Verdict::Held);
        assert_eq!(verdict(&[1.5; 20]), Verdict::NotHeld);
    }

    #[test]
    fn a_figure_is_held_up_to_its_limit() {
        let samples = Samples(vec![90.0]);
        let verdict = |value| Row::at_most("a", &samples, value, "peak", Unit::Mebibytes, 96.0).verdict;
        assert_eq!((verdict(90.0), verdict(97.0)), (Verdict::Held, Verdict::NotHeld));
    }
}
