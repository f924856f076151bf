use proptest::prelude::*;

use super::{Acknowledged, Outcome};

const LINES: &str = "bank\t0\t7\t1700\t-\tff\tC\tteller-0/3/6\t2000\n\
    bank\t0\t8\t1700\taa\tfe\tX\tteller-0/4/6\t1999\n\
    codec-none\t1\t0\t1700\t-\tfd\tA\t-\t1000\n";

#[test]
fn only_what_was_promised_before_the_instant_counts() {
    let known = Acknowledged::parse(LINES.as_bytes()).unwrap();
    assert_eq!(known.acknowledgements.len(), 3);
    assert_eq!(known.acknowledgements[1].outcome, Outcome::Aborted);
    let before: Vec<_> = known
        .promised_before(2000)
        .map(|known| known.partition.to_string())
        .collect();
    assert_eq!(before, ["codec-none-1"]);
    assert_eq!(known.promised_before(2001).count(), 2);
}

#[test]
fn a_line_that_a_killed_load_left_unfinished_is_left_out() {
    let cut = LINES.strip_suffix("00\n").unwrap();
    assert_eq!(Acknowledged::parse(cut.as_bytes()).unwrap().acknowledgements.len(), 2);
}

#[test]
fn logs_of_old_clients_beside_it_are_read_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("acknowledged");
    std::fs::write(&path, LINES).unwrap();
    std::fs::write(
        directory.path().join("acknowledged.old"),
        "@\treaders\tbank\t0\t9\t3000\n",
    )
    .unwrap();
    std::fs::write(directory.path().join("acknowledged-of-another"), "damaged\n").unwrap();
    let known = Acknowledged::read(&path).unwrap();
    assert_eq!(known.acknowledgements.len(), 3);
    let commit = &known.commits[0];
    assert_eq!(
        (
            commit.group.as_str(),
            commit.partition.to_string().as_str(),
            commit.offset,
            commit.at_ms
        ),
        ("readers", "bank-0", 9, 3000)
    );
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_no_panic(text in "(@\t)?[0-9a-fACXU@\t\n-]{0,200}") {
        let _ = Acknowledged::parse(text.as_bytes());
    }
}
