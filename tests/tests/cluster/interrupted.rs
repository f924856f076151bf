//! Programs killed where they stand: whatever becomes of the snapshot under way, the next one succeeds and nothing is left.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use maxbrod_lab::{Cluster, ClusterSpec, LabError, Programs, Workload, agent_name};
use maxbrod_tests::{Backup, READY, Scene, identity_differences, judge, log_problems};

/// Every pin that is left beside any log dir.
fn pins(cluster: &Cluster) -> Vec<PathBuf> {
    let mut pins = Vec::new();
    for node in cluster.nodes() {
        for dir in &node.log_dirs {
            let mut folders = vec![dir.parent().unwrap().join(".maxbrod-pins")];
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(&folder).into_iter().flatten() {
                    let entry = entry.unwrap();
                    if entry.file_type().unwrap().is_dir() {
                        folders.push(entry.path());
                    } else {
                        pins.push(entry.path());
                    }
                }
            }
        }
    }
    pins
}

/// Takes a snapshot and kills a program at some moment of it. Whether the snapshot got through is left open.
fn kill_during_a_snapshot(programs: &mut Programs, program: &str, after: Duration) -> Result<(), LabError> {
    let mut snapshot = programs.maxbrod_process(&["snapshot", "create", "--wait"])?;
    thread::sleep(after);
    programs.kill(program);
    if program == "coordinator" {
        // The command ends by itself: with an outcome, or saying that the coordinator is gone.
        let ended = (0..600).any(|_| {
            thread::sleep(Duration::from_millis(100));
            snapshot.try_wait().unwrap().is_some()
        });
        assert!(ended, "the command still waits for a coordinator that was killed");
        return Ok(());
    }
    // The agent's partitions are shipped by others, or it comes back: nobody has to wait for that.
    let _ = snapshot.kill();
    let _ = snapshot.wait();
    Ok(())
}

#[test]
fn killed_agents_and_coordinators_leave_nothing_behind_and_the_next_snapshot_succeeds() -> Result<(), LabError> {
    let scene = Scene::new()?;
    let mut cluster = scene.boot(ClusterSpec::combined(3))?;
    let workload = Workload::standard(3, scene.path().join("acknowledged"));
    let client = cluster.client();
    client.create(&workload.setup)?;
    let mut load = client.load(&workload.load)?;
    load.wait_flowing(READY)?;
    thread::sleep(Duration::from_secs(4));

    let mut programs = Backup::start(Backup::plain(scene.path())?, &cluster)?.programs;
    for (program, after) in [
        ("agent-2", 150),
        ("agent-1", 500),
        ("coordinator", 300),
        ("agent-3", 900),
        ("coordinator", 700),
    ] {
        kill_during_a_snapshot(&mut programs, program, Duration::from_millis(after))?;
        match program.strip_prefix("agent-") {
            Some(node) => programs.start_agent(cluster.node(node.parse().unwrap())?)?,
            None => programs.start_coordinator()?,
        }
        programs.wait_for_agents(3)?;
    }
    programs.wait_until_idle()?;
    let created = programs.snapshot("after all that")?;
    thread::sleep(Duration::from_secs(1));
    load.stop()?;

    let backup = Backup { programs };
    let before = backup.remember(created, &cluster, &scene.path().join("original.dump"))?;
    let mut programs = backup.programs;
    programs.maxbrod_ok(&["snapshot", "verify", &before.id, "--level", "full"])?;
    programs.maxbrod_ok(&["audit", "verify"])?;
    // A killed agent's pins go when it is started again, everybody else's with the run; a clean stop leaves none.
    for node in cluster.node_ids() {
        assert!(programs.stop(&agent_name(node)), "agent {node} did not stop by itself");
    }
    assert_eq!(pins(&cluster), Vec::<PathBuf>::new());

    programs.stop_all();
    cluster.kill();
    cluster.wipe()?;
    programs.restore(&cluster, &before.id)?;
    cluster.mark_logs();
    cluster.start_and_wait(READY)?;
    assert_eq!(log_problems(&cluster)?, Vec::<String>::new());
    assert_eq!(
        identity_differences(&before.description, &client.describe()?),
        Vec::<String>::new()
    );
    let report = judge(
        &cluster,
        &before,
        &scene.path().join("restored.dump"),
        Some(&workload.load.acknowledged),
    )?;
    assert!(report.is_clean(), "{report:#?}");
    Ok(())
}
