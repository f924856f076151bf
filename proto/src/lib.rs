//! The gRPC contract and the manifest messages.
