//! The cut against the model.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::capturing::{Order, capture};
use super::checker::{Violation, check};
use super::world::{Shape, World};
use crate::cuts::{Cuts, Level};
use crate::solve::{Rules, solve_by};

/// What became of one run.
struct Outcome {
    cuts: Cuts,
    violations: Vec<Violation>,
    /// Those that nobody was warned of.
    silent: Vec<Violation>,
}

fn run(seed: u64, shape: Shape, order: Order, rules: Rules) -> Outcome {
    let mut world = World::new(seed, shape);
    world.steps(shape.before);
    let snapshot = capture(&mut world, order);
    let cuts = solve_by(&snapshot.capture, rules);
    let violations = check(&world, &snapshot, &cuts);
    let is_named = |violation: &&Violation| {
        let names = |name: &String| cuts.notes.iter().any(|note| names_it(&note.text, name));
        cuts.level < Level::Transactional && violation.concerns.iter().any(names)
    };
    let silent = match cuts.level {
        Level::CrashConsistent => Vec::new(),
        _ => violations
            .iter()
            .filter(|violation| !is_named(violation))
            .cloned()
            .collect(),
    };
    Outcome {
        cuts,
        violations,
        silent,
    }
}

/// Whether a text has a name, and not only the beginning of a longer one.
fn names_it(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let next = text[at + name.len()..].chars().next();
        !next.is_some_and(|next| next.is_ascii_digit())
    })
}

fn shapes(newer: std::ops::Range<usize>, older: std::ops::Range<usize>) -> impl Strategy<Value = Shape> {
    let layout = (1usize..4, 1usize..4, 1usize..3, 0usize..3);
    let time = (
        0usize..500,
        prop_oneof![0usize..30, 0usize..150],
        any::<bool>(),
        any::<bool>(),
    );
    (layout, newer, older, time).prop_map(|((homes, topics, partitions, groups), newer, older, time)| Shape {
        homes,
        topics,
        partitions,
        groups,
        newer,
        older,
        before: time.0,
        skew: time.1,
        knows_open: time.2,
        is_rough: time.3,
    })
}

/// How many runs a test does; `MAXBROD_MODEL_CASES` asks for more.
fn cases(usual: u32) -> u32 {
    std::env::var("MAXBROD_MODEL_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(usual)
}

/// Runs the model many times; nothing may go wrong without being said. Gives how many runs reached which level.
fn hold(usual: u32, shapes: impl Strategy<Value = Shape>) -> (u32, u32) {
    let counts = std::cell::Cell::new((0, 0));
    let config = Config {
        cases: cases(usual),
        source_file: Some(file!()),
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&(any::<u64>(), shapes), |(seed, shape)| {
        let outcome = run(seed, shape, Order::CoordinatorsFirst, Rules::ALL);
        let silent: Vec<&str> = outcome.silent.iter().map(|violation| violation.what.as_str()).collect();
        let (level, notes) = (outcome.cuts.level, &outcome.cuts.notes);
        prop_assert!(silent.is_empty(), "{level}\n{notes:?}\n{silent:#?}");
        prop_assert!(outcome.cuts.level != Level::CrashConsistent, "{:?}", outcome.cuts.notes);
        let (transactional, all) = counts.get();
        counts.set((
            transactional + u32::from(outcome.cuts.level == Level::Transactional),
            all + 1,
        ));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let (transactional, all) = counts.get();
    println!("{transactional} of {all} runs are transactional, none is silently wrong");
    (transactional, all)
}

#[test]
fn a_cut_of_new_clients_is_a_state_the_cluster_could_have_been_in() {
    let (transactional, all) = hold(800, shapes(1..6, 0..1));
    assert!(transactional * 10 > all * 7, "{transactional} of {all}");
}

#[test]
fn a_cut_of_older_clients_is_such_a_state_or_says_whose_transactions_are_doubtful() {
    let (transactional, all) = hold(600, shapes(0..1, 1..5));
    assert!(transactional * 2 > all, "{transactional} of {all}");
}

#[test]
fn a_cut_of_clients_old_and_new_is_such_a_state_or_says_whose_transactions_are_doubtful() {
    let (transactional, all) = hold(600, shapes(1..4, 1..4));
    assert!(transactional * 2 > all, "{transactional} of {all}");
}

/// The shape of runs in which every rule has something to do.
fn busy(newer: usize, older: usize) -> Shape {
    Shape {
        homes: 3,
        topics: 2,
        partitions: 1,
        groups: 2,
        newer,
        older,
        before: 300,
        skew: 120,
        knows_open: true,
        is_rough: true,
    }
}

/// How many of so many runs are wrong without a word, and are called transactional.
fn wrong(runs: u64, shape: Shape, order: Order, rules: Rules) -> usize {
    let is_wrong = |outcome: &Outcome| outcome.cuts.level == Level::Transactional && !outcome.violations.is_empty();
    (0..runs)
        .filter(|seed| is_wrong(&run(*seed, shape, order, rules)))
        .count()
}

#[test]
fn without_any_one_rule_the_checker_objects() {
    let all = Rules::ALL;
    let ablations = [
        ("R1", Rules { late: false, ..all }, busy(5, 0), 40),
        ("R2", Rules { commits: false, ..all }, busy(5, 0), 200),
        (
            "R3",
            Rules {
                completes: false,
                ..all
            },
            busy(5, 0),
            200,
        ),
        ("R4", Rules { offsets: false, ..all }, busy(5, 0), 40),
        (
            "the accept test",
            Rules {
                accept_test: false,
                ..all
            },
            Shape {
                knows_open: false,
                is_rough: false,
                ..busy(0, 5)
            },
            150,
        ),
    ];
    for (name, rules, shape, runs) in ablations {
        let wrong = wrong(runs, shape, Order::CoordinatorsFirst, rules);
        println!("without {name}: {wrong} of {runs} runs are wrong");
        assert!(wrong > 0, "without {name}");
    }
    let wrong = wrong(40, busy(5, 0), Order::CoordinatorsLast, all);
    println!("with the coordinators captured last: {wrong} of 40 runs are wrong");
    assert!(wrong > 0);
}
