use std::io::Write as _;
use std::time::{Duration, Instant};

use super::{Bucket, STEP, Throttle};

#[test]
fn readers_are_held_to_the_rate() {
    let start = Instant::now();
    let mut bucket = Bucket::new(1000, start);
    let mut now = start;
    for _ in 0..100 {
        now += bucket.take(500, now);
    }
    let seconds = (now - start).as_secs_f64();
    // 50,000 bytes less a quarter of a second's burst.
    assert!((49.0..=50.0).contains(&seconds), "took {seconds} s");
}

#[test]
fn an_idle_reader_saves_up_no_more_than_a_burst() {
    let start = Instant::now();
    let mut bucket = Bucket::new(1000, start);
    let later = start + Duration::from_secs(3600);
    assert_eq!(bucket.take(250, later), Duration::ZERO);
    assert_eq!(bucket.take(1000, later), Duration::from_secs(1));
}

#[test]
fn what_is_read_is_what_is_in_the_file() {
    let mut file = tempfile::tempfile().unwrap();
    let content: Vec<u8> = (0..3 * STEP + 777).map(|number| (number / 5) as u8).collect();
    file.write_all(&content).unwrap();
    let throttle = Throttle::new(None);
    throttle.prepare(&file);
    let mut buffer = vec![0; content.len() + 100];
    let read = throttle.read(&file, 10, &mut buffer).unwrap();
    assert_eq!(read, content.len() - 10);
    assert_eq!(&buffer[..read], &content[10..]);
}
