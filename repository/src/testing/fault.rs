//! What the server can be told to do wrong.

use std::time::Duration;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creating or replacing an object.
    Put,
    /// Reading one, wholly or in part.
    Get,
    /// Asking for its length.
    Head,
    /// Listing.
    List,
    /// Whatever it is.
    Any,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done and this status answered.
    Refuse(u16),
    /// It is done, but this status answered.
    DoneBut(u16),
    /// It is done, but the connection breaks before the answer.
    LoseReply,
    /// It takes so long.
    Delay(Duration),
    /// A put stores only so many bytes, and a get answers with no more.
    Truncate(usize),
}

/// A way to be dishonest about creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// The condition is ignored.
    Overwrite,
    /// Whoever comes second is told that it won, but nothing is stored.
    TwoWinners,
    /// Uploads are stored whatever their checksum.
    AnyContent,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) operation: Operation,
    pub(super) key_contains: String,
    pub(super) remaining: u32,
    pub(super) fault: Fault,
}

impl Rule {
    pub(super) fn matches(&self, operation: Operation, key: &str) -> bool {
        self.remaining > 0
            && (self.operation == Operation::Any || self.operation == operation)
            && key.contains(&self.key_contains)
    }
}
