//! Arbitrary messages for tests: every field, version and unknown tag that a declaration allows.

use bytes::Bytes;

use super::{Field, Layout, Message, UnknownTags};
use crate::ids::{
    BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId, Uuid,
};

/// Throws numbers from a seed (splitmix64), so that a failing seed fails again.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.throw() % n
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(9)).map(|_| self.throw() as u8).collect()
    }
}

/// A field that tests can make up.
pub(crate) trait Sample: Sized {
    fn sample(dice: &mut Dice, layout: Layout) -> Self;
}

/// A message of any of its versions.
pub(crate) fn sample_message<M: Message + Sample>(dice: &mut Dice) -> M {
    let versions: Vec<i16> = M::VERSIONS.collect();
    let version = versions[dice.below(versions.len() as u64) as usize];
    M::sample(dice, M::layout(version).unwrap())
}

/// Up to three tagged fields without a name, most often none.
pub(crate) fn sample_tags(dice: &mut Dice, layout: Layout) -> UnknownTags {
    if !layout.flexible || dice.below(3) > 0 {
        return UnknownTags::default();
    }
    let tags: std::collections::BTreeSet<u32> = (0..dice.below(4)).map(|_| 100 + dice.below(1 << 20) as u32).collect();
    tags.into_iter().map(|tag| (tag, Bytes::from(dice.bytes()))).collect()
}

macro_rules! integers {
    ($($ty:ident),*) => {$(
        impl Sample for $ty {
            fn sample(dice: &mut Dice, _: Layout) -> Self {
                match dice.below(4) {
                    0 => $ty::MAX,
                    1 => dice.throw() as $ty,
                    _ => dice.below(5) as $ty,
                }
            }
        }
    )*};
}

integers!(i8, i16, u16, i32, i64);

impl Sample for bool {
    fn sample(dice: &mut Dice, _: Layout) -> Self {
        dice.below(2) == 1
    }
}

impl Sample for f64 {
    fn sample(dice: &mut Dice, _: Layout) -> Self {
        dice.below(1 << 40) as f64 / 8.0
    }
}

impl Sample for String {
    fn sample(dice: &mut Dice, _: Layout) -> Self {
        (0..dice.below(6))
            .map(|_| ['a', 'B', '7', 'é', '猫', '🐈'][dice.below(6) as usize])
            .collect()
    }
}

impl Sample for Bytes {
    fn sample(dice: &mut Dice, _: Layout) -> Self {
        dice.bytes().into()
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(dice: &mut Dice, layout: Layout) -> Self {
        (0..dice.below(4)).map(|_| T::sample(dice, layout)).collect()
    }
}

impl<T: Sample> Sample for Option<T>
where
    Option<T>: Field,
{
    fn sample(dice: &mut Dice, layout: Layout) -> Self {
        (dice.below(2) == 1).then(|| T::sample(dice, layout))
    }
}

impl Sample for Uuid {
    fn sample(dice: &mut Dice, _: Layout) -> Self {
        // Few of them, so that records meet each other.
        Self([dice.below(6) as u8; 16])
    }
}

macro_rules! newtypes {
    ($($name:ident),*) => {$(
        impl Sample for $name {
            fn sample(dice: &mut Dice, layout: Layout) -> Self {
                Self(Sample::sample(dice, layout))
            }
        }
    )*};
}

newtypes!(
    BrokerEpoch,
    DirectoryId,
    LeaderEpoch,
    NodeId,
    Offset,
    PartitionId,
    ProducerEpoch,
    ProducerId,
    TopicId
);
