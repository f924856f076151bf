//! What commands print: one JSON document, or text for people. Progress and logs go to standard error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::exit::{Failure, Kind, Result};

/// Where a command's result goes.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// Prints `document` with `--json`, the text otherwise.
    pub fn print(self, document: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        let mut printed = if self.json {
            serde_json::to_string_pretty(document)
                .map_err(|error| Failure::new(Kind::Failed, "output", error.to_string()))?
        } else {
            text()
        };
        if !printed.is_empty() && !printed.ends_with('\n') {
            printed.push('\n');
        }
        write_stdout(printed.as_bytes())
    }

    /// Prints a failure: to standard error for people, as a JSON document with `--json`.
    pub fn print_failure(self, failure: &Failure) {
        if self.json {
            self.print_failure_document(failure);
        }
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "error[{}]: {}", failure.code, failure.message);
        if !failure.remedy.is_empty() {
            let _ = writeln!(stderr, "  what to do: {}", failure.remedy);
        }
    }

    /// Prints a failure as a JSON document on standard output.
    pub fn print_failure_document(self, failure: &Failure) {
        let document = serde_json::json!({
            "error": { "code": failure.code, "message": failure.message, "remedy": failure.remedy }
        });
        let _ = write_stdout(format!("{document:#}\n").as_bytes());
    }

    /// A progress bar over bytes; silent when standard error is no terminal.
    pub fn bar(self, total: u64, what: &str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(total), progress_target());
        let style = ProgressStyle::with_template(
            "{msg:24} {bar:32} {bytes:>10}/{total_bytes:10} {binary_bytes_per_sec:>12} {eta:>5}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar
    }

    /// A spinner for stages without a known size; silent when standard error is no terminal.
    pub fn spinner(self, what: &str) -> ProgressBar {
        let spinner = ProgressBar::with_draw_target(None, progress_target());
        spinner.set_message(what.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    }
}

fn progress_target() -> ProgressDrawTarget {
    if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }
}

/// Writes to standard output; a reader that hung up (`| head`) is no failure.
pub fn write_stdout(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            Kind::Failed,
            "output",
            format!("writing to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Bytes as people read them: binary units, three digits.
pub fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// Lines up rows under a header, two spaces between columns.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()) + 2));
        }
        format!("{}\n", text.trim_end())
    };
    let mut text = line(&mut header.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}
