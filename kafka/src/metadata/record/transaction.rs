//! Metadata transactions (KIP-868), and the record that says nothing.

message! {
    /// What follows takes effect only with its [`EndTransactionRecord`].
    pub struct BeginTransactionRecord: versions 0..=0, flexible 0 {
        /// What the transaction does.
        name: Option<String> [tag 0];
    }

    /// The transaction takes effect.
    pub struct EndTransactionRecord: versions 0..=0, flexible 0 {}

    /// The transaction takes no effect.
    pub struct AbortTransactionRecord: versions 0..=0, flexible 0 {
        /// Why.
        reason: Option<String> [tag 0];
    }

    /// Only there to move the offset on.
    pub struct NoOpRecord: versions 0..=0, flexible 0 {}
}
