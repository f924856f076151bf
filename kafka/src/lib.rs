//! Kafka's on-disk formats as pure code.
