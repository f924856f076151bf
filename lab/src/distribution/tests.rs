use std::fs;

use super::{Distribution, version_of};
use crate::LabError;

#[test]
fn the_version_is_the_server_jars() {
    assert_eq!(version_of("kafka_2.13-4.3.1.jar").as_deref(), Some("4.3.1"));
    assert_eq!(version_of("kafka_2.13-4.3.1-sources.jar").as_deref(), None);
    assert_eq!(version_of("kafka-clients-4.3.1.jar"), None);
}

#[test]
fn a_directory_without_kafka_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("kafka-clients-4.3.1.jar"), "").unwrap();
    match Distribution::at(directory.path()) {
        Err(LabError::NoDistribution { path }) => assert_eq!(path, directory.path()),
        // Without Java nothing is looked at.
        Err(LabError::ProgramMissing { program, .. }) => assert!(program.ends_with("java")),
        other => panic!("{other:?}"),
    }
}
