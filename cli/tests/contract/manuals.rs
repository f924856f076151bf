//! Help, completions and manual pages.

use std::fs;

use crate::program::maxbrod;

#[test]
fn help_and_version_are_answers_and_no_command_is_none() {
    let help = maxbrod(&["--help"]);
    assert!(help.assert_done().stdout.contains("Exit codes:"), "{help:?}");
    assert!(maxbrod(&["--version"]).assert_done().stdout.starts_with("maxbrod "));
    maxbrod(&["snapshot", "create", "--help"]).assert_done();
    let nothing = maxbrod(&[]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (2, ""));
    assert!(nothing.stderr.contains("Usage:"), "{nothing:?}");
}

#[test]
fn an_unknown_command_is_a_document_with_json_only() {
    maxbrod(&["snapshots", "--json"]).assert_failed(2, "usage", "snapshots");
    let plain = maxbrod(&["snapshots"]);
    assert_eq!((plain.code, plain.stdout.as_str()), (2, ""));
    assert!(plain.stderr.contains("snapshots"), "{plain:?}");
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = maxbrod(&["completions", shell]);
        for command in ["init", "snapshot", "restore", "audit"] {
            assert!(script.assert_done().stdout.contains(command), "{shell}: {command}");
        }
    }
    assert_eq!(maxbrod(&["completions", "tcsh"]).code, 2);
}

#[test]
fn each_command_has_a_manual_page() {
    let page = maxbrod(&["man"]);
    assert!(page.assert_done().stdout.contains(".TH maxbrod 1"), "{page:?}");
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("pages");
    maxbrod(&["man", "--dir", pages.to_str().unwrap()]).assert_done();
    for page in [
        "maxbrod",
        "maxbrod-snapshot-create",
        "maxbrod-restore-apply",
        "maxbrod-repository-check",
    ] {
        let text = fs::read_to_string(pages.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
}
