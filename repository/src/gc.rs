//! What is garbage: a plan, and nothing but a plan.

mod gather;
mod plan;
#[cfg(test)]
mod tests;

pub use gather::gather;
pub use plan::{Inventory, PackUse, Plan, SPARSE, StoredPack, plan};
