//! The README's tour, as a stranger would walk it: its fenced commands in their order, in a terminal.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// What a tour has its reader do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A line of a `sh` block, to be typed.
    Type(String),
    /// A `toml` block, to be saved under the name in its first line.
    Save {
        /// The file's name.
        name: String,
        /// What is in it.
        text: String,
    },
    /// What happens outside of the terminal: the text of a comment `<!-- tour: … -->`.
    Happens(String),
}

/// The steps in a section of a Markdown text, in their order. Blocks of other languages are no steps.
///
/// # Errors
///
/// There is no such section, or a block that is not closed, or a file without a name.
pub fn steps(markdown: &str, heading: &str) -> Result<Vec<Step>, String> {
    let mut lines = markdown.lines().skip_while(|line| *line != heading);
    if lines.next().is_none() {
        return Err(format!("there is no section {heading:?}"));
    }
    let level = heading.bytes().take_while(|byte| *byte == b'#').count();
    let mut steps = Vec::new();
    while let Some(line) = lines.next() {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        if (1..=level).contains(&hashes) {
            break;
        }
        if let Some(event) = line
            .strip_prefix("<!-- tour: ")
            .and_then(|rest| rest.strip_suffix(" -->"))
        {
            steps.push(Step::Happens(event.to_owned()));
        }
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        let mut block = Vec::new();
        loop {
            match lines.next() {
                Some("```") => break,
                Some(line) => block.push(line),
                None => return Err(format!("a block of {language} is not closed")),
            }
        }
        match language {
            "sh" => {
                let typed = block.iter().filter(|line| !line.trim().is_empty());
                steps.extend(typed.map(|line| Step::Type((*line).to_owned())));
            }
            "toml" => {
                let name = block.first().and_then(|line| line.strip_prefix("# "));
                let name = name
                    .ok_or("a toml block does not begin with its file's name")?
                    .to_owned();
                let text = block.iter().map(|line| format!("{line}\n")).collect();
                steps.push(Step::Save { name, text });
            }
            _ => {}
        }
    }
    Ok(steps)
}

/// Replaces in the steps what is the reader's own.
///
/// # Errors
///
/// Something to be replaced is in no step: the text has changed.
pub fn replace(steps: &mut [Step], own: &[(&str, String)]) -> Result<(), String> {
    for (theirs, ours) in own {
        let mut replaced = false;
        for step in steps.iter_mut() {
            let (Step::Type(text) | Step::Save { text, .. }) = step else {
                continue;
            };
            replaced |= text.contains(theirs);
            *text = text.replace(theirs, ours);
        }
        if !replaced {
            return Err(format!("{theirs} is in no step"));
        }
    }
    Ok(())
}

/// Printed after each command, with its exit code.
const PROMPT: &str = "\u{1}done ";

/// A shell in which one command after the other is typed, and terminals of their own for programs that stay.
#[derive(Debug)]
pub struct Terminal {
    directory: PathBuf,
    path: String,
    shell: Child,
    keys: ChildStdin,
    screen: BufReader<ChildStdout>,
    others: Vec<(Child, PathBuf)>,
}

impl Terminal {
    /// Opens one in a directory, with the programs in `bin` on its path.
    ///
    /// # Errors
    ///
    /// There is no bash.
    pub fn open(directory: &Path, bin: &Path) -> Result<Self, String> {
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("bash")
            .args(["--norc", "-c", "exec 2>&1; exec bash --norc -s"])
            .current_dir(directory)
            .env("PATH", &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("starting bash: {error}"))?;
        let (Some(keys), Some(screen)) = (shell.stdin.take(), shell.stdout.take()) else {
            return Err("bash has no terminal".to_owned());
        };
        Ok(Self {
            directory: directory.to_owned(),
            path,
            shell,
            keys,
            screen: BufReader::new(screen),
            others: Vec::new(),
        })
    }

    /// Types a command and returns what it printed.
    ///
    /// # Errors
    ///
    /// It did not end with exit code 0; the error has what it printed.
    pub fn run(&mut self, command: &str) -> Result<String, String> {
        let typed = format!("{command}\nprintf '\\n{PROMPT}%s\\n' $?\n");
        self.keys
            .write_all(typed.as_bytes())
            .and_then(|()| self.keys.flush())
            .map_err(|error| format!("typing {command}: {error}"))?;
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            match self.screen.read_line(&mut line) {
                Ok(0) => return Err(format!("the shell ended at {command}\n{printed}")),
                Ok(_) => {}
                Err(error) => return Err(format!("reading what {command} prints: {error}")),
            }
            match line.trim_end().strip_prefix(PROMPT) {
                Some("0") => return Ok(printed),
                Some(code) => return Err(format!("{command} ended with exit code {code}\n{printed}")),
                None => printed.push_str(&line),
            }
        }
    }

    /// Runs a command that stays, in a terminal of its own, and waits until it says `ready`.
    ///
    /// # Errors
    ///
    /// It ended, or did not say so in time; the error has what it said.
    pub fn keep(&mut self, command: &str, ready: &str, patience: Duration) -> Result<(), String> {
        let log = self.directory.join(format!("terminal-{}.log", self.others.len()));
        let failed = |error| format!("starting {command}: {error}");
        let file = File::create(&log).map_err(failed)?;
        let child = Command::new("bash")
            .args(["--norc", "-c", &format!("exec {command}")])
            .current_dir(&self.directory)
            .env("PATH", &self.path)
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(failed)?)
            .stderr(file)
            .spawn()
            .map_err(failed)?;
        self.others.push((child, log.clone()));
        let deadline = Instant::now() + patience;
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains(ready) {
                return Ok(());
            }
            let ended = self
                .others
                .last_mut()
                .is_none_or(|(child, _)| !matches!(child.try_wait(), Ok(None)));
            if ended || Instant::now() > deadline {
                return Err(format!("{command} did not say {ready:?}\n{said}"));
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// Closes the other terminals, and with them the programs that run there.
    pub fn close_others(&mut self) {
        for (mut child, _) in self.others.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.close_others();
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
