//! The results, as a table for a terminal and as a page to keep.

use std::fmt::Write as _;

use crate::benchmarks::NOT_MEASURED;
use crate::row::Row;

/// What one benchmark came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) benchmark: &'static str,
    /// Its rows, or why there are none.
    pub(crate) rows: Result<Vec<Row>, String>,
}

/// One line for each row, as soon as it is known.
pub(crate) fn lines(outcome: &Outcome) -> String {
    let mut text = String::new();
    match &outcome.rows {
        Ok(rows) => {
            for row in rows {
                let _ = writeln!(text, "{:9} {}: {} ({})", row.verdict, row.what, row.result, row.limit);
                let _ = writeln!(text, "          {} against {} ({})", row.ours, row.theirs, row.against);
                for note in &row.notes {
                    let _ = writeln!(text, "          {note}");
                }
            }
        }
        Err(reason) => {
            let _ = writeln!(text, "FAILED    {}: {reason}", outcome.benchmark);
        }
    }
    text
}

/// What is not measured, for a terminal.
pub(crate) fn not_measured() -> String {
    NOT_MEASURED.iter().fold(String::new(), |mut text, (what, why)| {
        let _ = writeln!(text, "not measured: {what}: {why}");
        text
    })
}

/// The page under docs/benchmarks.
pub(crate) fn page(
    command: &str,
    date: &str,
    commit: &str,
    machine: &[(&'static str, String)],
    outcomes: &[Outcome],
) -> String {
    let mut text = format!("# Benchmarks of {date}\n\n`{command}` at {commit}.\n\n");
    for (name, value) in machine {
        let _ = writeln!(text, "* {name}: {value}");
    }
    text.push_str(
        "\nMedians; in brackets the smallest and the largest. Each ratio is of two measurements taken in turn on this machine.\n\n\
         | | what | against | maxbrod | the other | result | to hold |\n|---|---|---|---|---|---|---|\n",
    );
    let rows = || {
        outcomes
            .iter()
            .filter_map(|outcome| outcome.rows.as_ref().ok())
            .flatten()
    };
    for row in rows() {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.verdict, row.what, row.against, row.ours, row.theirs, row.result, row.limit
        );
    }
    text.push_str("\n## Circumstances\n\n");
    for row in rows() {
        for note in &row.notes {
            let _ = writeln!(text, "* {}: {note}.", row.what);
        }
    }
    for outcome in outcomes {
        if let Err(reason) = &outcome.rows {
            let _ = writeln!(text, "* {} failed: {reason}", outcome.benchmark);
        }
    }
    text.push_str("\n## Not measured\n\n");
    for (what, why) in NOT_MEASURED {
        let _ = writeln!(text, "* {what}: {why}.");
    }
    text
}
