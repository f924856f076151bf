//! A real Kafka cluster on loopback.
