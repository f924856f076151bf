//! The consistent cut.
