//! The judges of one moment: nothing is wrong with a cluster that was let be, and much with copies of its disks at different
//! times.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::scene::{PATIENCE, Scene, transactions_by_producer};

#[test]
fn a_cluster_that_was_let_be_is_in_one_moment_and_its_naive_copy_is_not() {
    let mut scene = Scene::boot();
    let load = scene.load();
    thread::sleep(Duration::from_secs(12));
    let mut copies = Vec::new();
    for (number, skew) in [(1, 1), (2, 2)] {
        let began_ms = now_ms();
        let directory = scene.path(&format!("copy-{number}"));
        copies.push((
            scene
                .cluster
                .copy_naively(Duration::from_secs(skew), &directory)
                .unwrap(),
            began_ms,
        ));
        scene.tell(&format!("copied {skew} s apart"));
    }
    thread::sleep(Duration::from_secs(1));
    let summary = load.stop().unwrap();
    // Clients may complain: nodes were suspended.
    scene.tell(&format!("load stopped {:?} {:?}", summary.counters, summary.complaints));

    let seen = scene.look(&scene.cluster.client());
    let verdict = scene.judge(&seen, i64::MAX, &[]);
    assert!(verdict.is_clean(), "{verdict}");
    let transactions = transactions_by_producer(&seen.0);
    scene.tell(&format!("{transactions:?}"));
    for producer in ["teller", "chain-to-stage", "librdkafka", "java-3"] {
        assert!(
            transactions.get(producer).is_some_and(|&count| count > 20),
            "{producer}"
        );
    }
    assert!(verdict.outputs > 100 && verdict.promised > 1_000 && verdict.offsets > 20 && verdict.citations > 50);

    scene.cluster.stop().unwrap();
    for (mut copy, began_ms) in copies {
        copy.start_and_wait(PATIENCE).unwrap();
        scene.tell("the copy started");
        let verdict = scene.judge(&scene.look(&copy.client()), began_ms, &[]);
        if !verdict.is_clean() {
            return;
        }
    }
    panic!("copies of the disks at different times passed as one moment");
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}
