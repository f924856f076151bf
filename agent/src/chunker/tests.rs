use proptest::prelude::*;

use super::{Chunker, MAX, MIN, Piece, Step};

/// The chunks of a stream, as ranges of batch numbers, and whether each one ended at a boundary.
fn chunks(pieces: &[Piece]) -> Vec<(std::ops::Range<usize>, bool)> {
    let mut chunker = Chunker::new();
    let mut chunks = Vec::new();
    let mut start = 0;
    for (number, piece) in pieces.iter().enumerate() {
        match chunker.push(piece) {
            Step::Goes => {}
            Step::Ends => {
                chunks.push((start..number + 1, true));
                start = number + 1;
            }
            Step::EndedBefore { ends } => {
                chunks.push((start..number, true));
                start = number;
                if ends {
                    chunks.push((start..number + 1, true));
                    start = number + 1;
                }
            }
        }
    }
    if start < pieces.len() {
        chunks.push((start..pieces.len(), false));
    }
    chunks
}

fn log(lengths: &[u64], seed: u32) -> Vec<Piece> {
    let piece = |(number, length): (usize, &u64)| Piece {
        base_offset: number as i64 * 7,
        epoch: 3,
        crc: seed.wrapping_add(number as u32).wrapping_mul(0x9e37_79b9),
        length: *length,
    };
    lengths.iter().enumerate().map(piece).collect()
}

fn ends(chunks: &[(std::ops::Range<usize>, bool)], offset: usize) -> Vec<usize> {
    chunks
        .iter()
        .filter(|(_, closed)| *closed)
        .map(|(range, _)| range.end + offset)
        .collect()
}

#[test]
fn chunks_are_about_five_mebibytes_whatever_the_size_of_batches() {
    for length in [100, 16 << 10, 900 << 10] {
        let pieces = log(&vec![length; (400 << 20) / length as usize], 1);
        let chunks = chunks(&pieces);
        let average = (400 << 20) / chunks.len() as u64;
        assert!(
            (4 << 20..7 << 20).contains(&average),
            "batches of {length} bytes give chunks of {average}"
        );
    }
}

#[test]
fn a_batch_larger_than_a_chunk_stands_alone() {
    let pieces = log(&[1000, 20 << 20, 1000], 5);
    assert_eq!(chunks(&pieces), [(0..1, true), (1..2, true), (2..3, false)]);
}

#[test]
fn boundaries_do_not_move_from_one_version_to_the_next() {
    let pieces = log(&vec![64 << 10; 1000], 42);
    assert_eq!(
        ends(&chunks(&pieces), 0),
        [66, 134, 221, 288, 357, 473, 540, 604, 669, 763, 830, 910]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_batch_is_in_one_chunk_of_allowed_length(lengths in prop::collection::vec(61u64..3 << 20, 1..200), seed: u32) {
        let pieces = log(&lengths, seed);
        let chunks = chunks(&pieces);
        let mut next = 0;
        for (range, closed) in &chunks {
            prop_assert_eq!(range.start, next);
            prop_assert!(!range.is_empty());
            next = range.end;
            let length: u64 = pieces[range.clone()].iter().map(|piece| piece.length).sum();
            prop_assert!(length <= MAX);
            // Shorter ones only at the end, or before a batch that had no room.
            let with_next = length + pieces.get(range.end).map_or(0, |piece| piece.length);
            prop_assert!(length >= MIN || !closed || with_next > MAX);
        }
        prop_assert_eq!(next, pieces.len());
    }

    #[test]
    fn a_longer_log_only_adds_chunks(lengths in prop::collection::vec(61u64..1 << 20, 1..300), cut in any::<prop::sample::Index>(), seed: u32) {
        let pieces = log(&lengths, seed);
        let whole = ends(&chunks(&pieces), 0);
        let part = ends(&chunks(&pieces[..cut.index(pieces.len())]), 0);
        prop_assert_eq!(&whole[..part.len()], part.as_slice());
    }

    #[test]
    fn logs_that_start_elsewhere_come_to_the_same_chunks(start in 1usize..2000, seed: u32) {
        let pieces = log(&vec![16 << 10; 20_000], seed);
        let whole = ends(&chunks(&pieces), 0);
        let part = ends(&chunks(&pieces[start..]), start);
        let first_common = part.iter().find(|end| whole.contains(end)).expect("the chunks never meet");
        let after = |ends: &[usize]| ends.iter().copied().filter(|end| end >= first_common).collect::<Vec<_>>();
        prop_assert_eq!(after(&whole), after(&part));
        prop_assert!(*first_common < start + 12_000, "it takes until batch {} after {}", first_common, start);
    }
}
