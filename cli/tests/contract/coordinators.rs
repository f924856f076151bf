//! Commands that ask a coordinator, where there is none.

use std::net::{Ipv4Addr, TcpListener};

use crate::program::maxbrod;

#[test]
fn a_coordinator_that_does_not_answer_is_named() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for command in [
        &["cluster", "agents"][..],
        &["cluster", "status"],
        &["snapshot", "create"],
        &["snapshot", "cancel"],
    ] {
        let mut arguments = command.to_vec();
        arguments.extend(["--json", "--coordinator", &url]);
        maxbrod(&arguments).assert_failed(1, "coordinator-unreachable", &url);
    }
}

#[test]
fn a_url_that_can_be_no_coordinators_is_wrong_usage() {
    let status = |url: &str| maxbrod(&["cluster", "status", "--json", "--coordinator", url]);
    status("127.0.0.1:7420").assert_failed(2, "usage", "https://host:7420");
    status("ftp://host").assert_failed(2, "usage", "ftp://host");
    status("https://127.0.0.1:7420").assert_failed(2, "usage", "--tls-ca");
    maxbrod(&["cluster", "status", "--json"]).assert_failed(2, "usage", "MAXBROD_COORDINATOR");
}

#[test]
fn a_level_of_consistency_that_there_is_not_is_wrong_usage_and_those_there_are_are_named() {
    let create = [
        "snapshot",
        "create",
        "--json",
        "--coordinator",
        "http://127.0.0.1:1",
        "--require-consistency",
    ];
    let ask = |level: &str| maxbrod(&[&create[..], &[level]].concat());
    ask("perfect").assert_failed(2, "usage", "transactional");
    for level in ["crash-consistent", "best-effort", "transactional"] {
        ask(level).assert_failed(1, "coordinator-unreachable", "http://127.0.0.1:1");
    }
}
