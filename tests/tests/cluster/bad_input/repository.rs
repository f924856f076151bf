//! Damage in the repository, and identities that don't fit, as operators and a coordinator meet them.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use maxbrod_lab::{ClusterSpec, LabError, Programs, Setup, TopicSpec};
use maxbrod_repository::Identities;
use maxbrod_tests::{Backup, Scene};
use serde_json::json;

use super::{flip_a_bit, largest_file, refused};

/// A coordinator that must not work: it ends, and says why.
fn does_not_start(programs: &mut Programs, parts: &[&str]) {
    let before = programs.log("coordinator").len();
    // It may listen before it has read what is damaged.
    let _ = programs.start_coordinator();
    let deadline = Instant::now() + Duration::from_secs(20);
    while programs.is_running("coordinator") {
        assert!(Instant::now() < deadline, "it goes on: {}", programs.log("coordinator"));
        sleep(Duration::from_millis(50));
    }
    let log = programs.log("coordinator");
    let said = log.get(before..).unwrap_or_default();
    for part in parts {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    programs.kill("coordinator");
}

/// The object's name in the repository.
fn name(repository: &Path, object: &Path) -> String {
    object.strip_prefix(repository).unwrap().display().to_string()
}

#[test]
fn a_coordinator_does_not_build_on_what_is_damaged_and_goes_on_when_it_is_repaired() -> Result<(), LabError> {
    let scene = Scene::new()?;
    let mut cluster = scene.boot(ClusterSpec::combined(1))?;
    let client = cluster.client();
    client.create(&Setup {
        topics: vec![TopicSpec::new("orders", 3, 1)],
        ..Setup::default()
    })?;
    client.smoke(&["orders".to_owned()], 1)?;
    let mut programs = Backup::start(Backup::encrypted(scene.path())?, &cluster)?.programs;
    let created = programs.snapshot("before the accidents")?;
    let id = created["id"].as_str().unwrap().to_owned();
    let repository = scene.path().join("repository");
    let folder = repository.join("clusters").join(cluster.cluster_id());
    let root = largest_file(&folder.join("roots"));
    let tree = largest_file(&folder.join("trees"));
    programs.stop("coordinator");

    for (object, show) in [
        (&root, &["snapshot", "show", "latest"][..]),
        (&tree, &["snapshot", "show", "latest", "--partitions"]),
    ] {
        let (named, intact) = (name(&repository, object), fs::read(object).unwrap());
        flip_a_bit(object);
        refused(&programs.maxbrod(show)?, 4, "object-damaged", &named);
        refused(
            &programs.maxbrod(&["restore", "plan", "--snapshot", &id])?,
            4,
            "object-damaged",
            &named,
        );
        let verified = programs.maxbrod(&["snapshot", "verify", &id, "--level", "structure"])?;
        assert_eq!(verified.code, 4, "{}", verified.stdout);
        assert!(verified.stdout.contains(&named), "{}", verified.stdout);
        does_not_start(&mut programs, &["object-damaged", &named, "what to do"]);
        fs::remove_file(object).unwrap();
        refused(&programs.maxbrod(show)?, 3, "object-missing", &named);
        does_not_start(&mut programs, &["object-missing", &named, "what to do"]);
        fs::write(object, intact).unwrap();
    }

    // Somebody else's identity, for the coordinator.
    let key = |name: &str| -> PathBuf { scene.path().join(name) };
    Identities::generate_file(&key("stranger.key")).unwrap();
    programs = programs.encrypted(&key("operator.key"), &key("stranger.key"));
    does_not_start(&mut programs, &["wrong-identity", "age1", "what to do"]);
    programs = programs.encrypted(&key("operator.key"), &key("coordinator.key"));

    // A pack that is missing is missed by whoever looks; brought back, it is as if nothing had happened.
    let pack = largest_file(&folder.join("packs"));
    let (named, intact) = (name(&repository, &pack), fs::read(&pack).unwrap());
    fs::remove_file(&pack).unwrap();
    let verified = programs.maxbrod(&["snapshot", "verify", "latest"])?;
    assert_eq!(verified.code, 3, "{}", verified.stdout);
    assert!(verified.stdout.contains(&named), "{}", verified.stdout);
    fs::write(&pack, intact).unwrap();

    programs.start_coordinator()?;
    programs.wait_for_agents(1)?;
    let again = programs.snapshot("everything is repaired")?;
    assert_eq!(again["gaps"], json!([]), "{again:#}");
    assert_eq!(
        again["read_bytes"],
        json!(0),
        "it builds on the snapshot that was repaired: {again:#}"
    );
    programs.maxbrod_ok(&["snapshot", "verify", "latest", "--level", "full"])?;
    programs.maxbrod_ok(&["audit", "verify"])?;

    // Whoever does not wait is told what to look for.
    let accepted = programs.maxbrod_ok(&["snapshot", "create", "--require-consistency", "crash-consistent"])?;
    assert_eq!(accepted["accepted"], json!(true), "{accepted:#}");
    let run = accepted["run"].as_u64().expect("the run that it will be");
    programs.wait_until_idle()?;
    let status = programs.maxbrod_ok(&["cluster", "status"])?;
    assert_eq!(status.pointer("/last_snapshot/run"), Some(&json!(run)), "{status:#}");
    programs.stop_all();
    cluster.stop()
}
