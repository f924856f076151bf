//! What repeated measurements say: medians, ranges, and how sure a ratio is.

/// Measurements of one thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    /// The middle one, or the mean of the middle two.
    pub(crate) fn median(&self) -> f64 {
        let half = self.0.len() / 2;
        let sorted = self.sorted();
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        if sorted.len() % 2 == 1 {
            at(half)
        } else {
            f64::midpoint(at(half.saturating_sub(1)), at(half))
        }
    }

    pub(crate) fn min(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn max(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }

    /// The value that this share of the samples does not exceed (nearest rank).
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let sorted = self.sorted();
        let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The interval that holds the median with 95 % confidence, by resampling.
    pub(crate) fn confidence_of_median(&self) -> (f64, f64) {
        const RESAMPLES: usize = 10_000;
        if self.0.is_empty() {
            return (f64::NAN, f64::NAN);
        }
        // A fixed seed: the same measurements give the same interval.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut pick = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let index = (state >> 11) as usize % self.0.len();
            self.0.get(index).copied().unwrap_or(f64::NAN)
        };
        let medians = (0..RESAMPLES).map(|_| Self((0..self.0.len()).map(|_| pick()).collect()).median());
        let medians = Self(medians.collect());
        (medians.quantile(0.025), medians.quantile(0.975))
    }
}

/// Two things measured in turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pairs {
    pub(crate) ours: Samples,
    pub(crate) theirs: Samples,
}

impl Pairs {
    pub(crate) fn push(&mut self, ours: f64, theirs: f64) {
        self.ours.0.push(ours);
        self.theirs.0.push(theirs);
    }

    /// The ratio of each pair: both of a pair saw the same state of the machine.
    pub(crate) fn ratios(&self) -> Samples {
        let pairs = self.ours.0.iter().zip(&self.theirs.0);
        Samples(pairs.map(|(ours, theirs)| ours / theirs).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Pairs, Samples};

    #[test]
    fn median_and_quantiles_are_those_of_the_sorted_samples() {
        let samples = Samples(vec![5.0, 1.0, 3.0]);
        assert_eq!((samples.min(), samples.median(), samples.max()), (1.0, 3.0, 5.0));
        assert_eq!(Samples(vec![4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        let hundred = Samples((1..=100).map(f64::from).collect());
        assert_eq!((hundred.quantile(0.95), hundred.quantile(0.99)), (95.0, 99.0));
        assert!(Samples::default().median().is_nan());
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let mut pairs = Pairs::default();
        pairs.push(2.0, 1.0);
        pairs.push(30.0, 10.0);
        assert_eq!(pairs.ratios(), Samples(vec![2.0, 3.0]));
    }

    #[test]
    fn the_confidence_interval_is_narrow_where_samples_agree() {
        let steady = Samples(vec![1.0; 20]);
        assert_eq!(steady.confidence_of_median(), (1.0, 1.0));
        let restless = Samples((0..20).map(f64::from).collect());
        let (low, high) = restless.confidence_of_median();
        assert!(low < restless.median() && restless.median() < high);
    }
}
