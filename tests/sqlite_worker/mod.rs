//! Processes that use a database: this test binary, started again to play a part.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use enclava_keys::Gate;
use tempfile::TempDir;

const PART: &str = "ENCLAVA_TEST_PART";

/// A directory for one database.
pub(crate) struct Place(pub(crate) TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        url(&self.file("enclava.db"))
    }

    pub(crate) fn open(&self) -> Gate {
        Gate::open(&self.url()).unwrap()
    }
}

pub(crate) fn url(path: &Path) -> String {
    format!("sqlite:///{}", path.display())
}

/// The command that plays `part` in another process: the test `worker` of this binary, which finds its words in the
/// environment.
pub(crate) fn part(part: &str, words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["worker", "--exact", "--nocapture", "--quiet"]).env(PART, part);
    command.env("ENCLAVA_TEST_WORDS", words.join("\n")).stdin(Stdio::null());
    command
}

/// Starts it, with what it prints to be read.
pub(crate) fn start(part: &str, words: &[&str]) -> Child {
    self::part(part, words).stdout(Stdio::piped()).spawn().unwrap()
}

/// What it printed for us: the text behind `: ` of the line that begins with `said`.
pub(crate) fn said(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.split_once("said: "));
    line.unwrap_or_else(|| panic!("{}: {text}", output.status)).1.to_owned()
}

/// A part and what it is to play it: from words to what is said at the end.
pub(crate) type Part = (&'static str, fn(&[&str]) -> String);

/// Plays the part that this process was started for, if it was.
pub(crate) fn play(parts: &[Part]) {
    let Ok(wanted) = std::env::var(PART) else { return };
    let words = std::env::var("ENCLAVA_TEST_WORDS").unwrap();
    let words: Vec<&str> = words.lines().collect();
    let (_, play) = parts.iter().find(|(part, _)| *part == wanted).unwrap();
    // The harness writes on the same line.
    println!("\nsaid: {}", play(&words));
}

/// Waits for something to happen, for a minute at most.
pub(crate) fn wait_for(what: impl Fn() -> bool) {
    let end = SystemTime::now() + Duration::from_mins(1);
    while !what() {
        assert!(SystemTime::now() < end, "nothing happened for a minute");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// A process that ends with the test at the latest.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(part: &str, words: &[&str]) -> Self {
        Self(self::part(part, words).stdout(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
