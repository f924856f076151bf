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
