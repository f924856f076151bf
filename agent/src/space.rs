//! When to give way: free space on the file systems that Kafka writes to.
//!
//! A pin keeps the blocks of a file that Kafka has removed. A full log dir goes offline and can halt its broker (K§3), so
//! the agent lets go long before.

use crate::config::MinFree;
use crate::directory::Space;

#[cfg(test)]
mod tests;

/// However large a file system is, this much free space is enough.
const ENOUGH: u64 = 20 << 30;

/// How scarce space is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pressure {
    /// There is enough.
    None,
    /// Below the soft floor: ship first what only the agent's links keep.
    Soft,
    /// Below half of it: let go of all pins at once.
    Hard,
}

/// Judges a file system.
pub(crate) fn pressure(space: Space, min_free: MinFree) -> Pressure {
    let soft = match min_free {
        MinFree::Percent(percent) => {
            (u128::from(space.total) * u128::from(percent) / 100).min(u128::from(ENOUGH)) as u64
        }
        MinFree::Bytes(size) => size.0,
    };
    if space.free < soft / 2 {
        Pressure::Hard
    } else if space.free < soft {
        Pressure::Soft
    } else {
        Pressure::None
    }
}
