//! Kafka's message encoding: fixed integers, varints, (compact) strings, arrays, structs and tagged fields (K§5.1).
//!
//! [`Reader`] and [`Writer`] are the primitives; [`Field`] says how a type lies on the wire, and the crate-private `message!` macro
//! turns a declaration of fields with their versions and tags into a struct that has a [`Message`] codec. Tagged fields that nobody
//! here knows are kept in [`UnknownTags`] and written back between the known ones, so a newer Kafka's data survives a round trip.
//!
//! Invariants: reading never panics and never allocates more than a small multiple of the bytes left to read.

#[macro_use]
mod declare;
mod error;
mod field;
mod ids;
mod reader;
mod tags;
mod writer;

pub use error::MessageError;
pub use field::{Field, Layout, Message};
pub use reader::Reader;
pub use tags::UnknownTags;
pub use writer::Writer;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
pub(crate) mod tests;
