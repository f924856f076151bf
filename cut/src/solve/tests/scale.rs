//! Large clusters.

use std::time::Instant;

use super::build::*;
use crate::cuts::Level;
use crate::solve::solve;

#[test]
fn ten_times_the_partitions_take_no_more_than_some_twenty_times_as_long() {
    let time = |topics: i32| {
        let mut partitions = Vec::new();
        for id in 0..50 {
            let names: Vec<String> = (0..topics).map(|topic| format!("topic{topic}-{id}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let name = format!("id{id}");
            let records = [
                state(&name, id, 0, ONGOING, 2, &names),
                state(&name, id, 1, PREPARE_COMMIT, 2, &names),
            ];
            partitions.push(home(id as i32, 9, &[], &records));
        }
        for topic in 0..topics {
            for number in 0..50 {
                let tail = [
                    run(11, i64::from(number), 0, Data),
                    run(12, i64::from(number), 1, COMMIT),
                ];
                partitions.push(with_tail(partition(&format!("topic{topic}-{number}"), 10, 14), &tail));
            }
        }
        let capture = capture(partitions);
        let began = Instant::now();
        let cuts = solve(&capture);
        assert_eq!(cuts.level, Level::Transactional);
        began.elapsed()
    };
    time(20);
    let (few, many) = (time(20), time(200));
    assert!(
        many < 30 * few + std::time::Duration::from_millis(200),
        "{few:?} and {many:?}"
    );
}

#[test]
#[ignore = "takes a gigabyte of memory"]
fn a_million_partitions_are_cut_in_seconds() {
    let quiet = (0..1_000_000).map(|number| {
        let mut quiet = partition(&format!("topic{}-{}", number / 100, number % 100), 10, 12);
        quiet.open_at_start = None;
        quiet
    });
    let busy = (0..50).map(|id| {
        let names: Vec<String> = (0..100).map(|number| format!("topic{id}-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        home(
            id,
            9,
            &[],
            &[state(&format!("id{id}"), i64::from(id), 0, ONGOING, 2, &names)],
        )
    });
    let mut capture = capture(quiet.chain(busy));
    for (number, partition) in capture.partitions.iter_mut().take(5_000).enumerate() {
        let producer = number as i64 / 100;
        partition.tail = vec![run(10, producer, 0, Data), run(11, producer, 1, COMMIT)];
    }
    let began = Instant::now();
    let cuts = solve(&capture);
    let took = began.elapsed();
    println!("{took:?}");
    assert_eq!((cuts.level, cuts.cut_back.len()), (Level::Transactional, 5_000));
    assert!(took.as_secs() < 10, "{took:?}");
}
