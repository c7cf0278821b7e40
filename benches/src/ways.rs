//! Measurements that are one number each and take a process of their own: nothing that was there before counts, and
//! nothing that an allocator keeps back is overlooked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs, io};

use serde_json::Value;

/// One such process: its name, and what it does.
pub type Way = (&'static str, fn());

/// Goes every way in a process of its own, prints what each tells, and leaves it in `file` for the table. In such a
/// process, goes its way.
///
/// # Errors
/// If a process fails.
pub fn run(ways: &[Way], file: &str) -> io::Result<()> {
    // Anything else is what cargo tells criterion.
    if let Some((_, way)) = ways.iter().find(|(name, _)| env::args().nth(1).is_some_and(|arg| arg == *name)) {
        way();
        return Ok(());
    }
    let mut told = BTreeMap::new();
    for (name, _) in ways {
        let child = Command::new(env::current_exe()?).arg(name).stderr(Stdio::inherit()).output()?;
        if !child.status.success() {
            return Err(io::Error::other(format!("{name} failed")));
        }
        let lines = String::from_utf8_lossy(&child.stdout).into_owned();
        let pairs = lines.lines().filter_map(|line| line.split_once(' '));
        for (name, number) in pairs {
            println!("{name:<50} {number:>12}");
            told.insert(name.to_owned(), number.parse::<f64>().map_err(io::Error::other)?);
        }
    }
    if let Some(directory) = env::var_os("CRITERION_HOME").map(PathBuf::from) {
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(file), Value::from_iter(told).to_string())?;
    }
    Ok(())
}

/// Says one number, for the table.
pub fn tell(name: &str, number: f64) {
    println!("{name} {number:.2}");
}

/// The growth of resident memory since it was started.
#[derive(Debug)]
pub struct Meter(Option<f64>);

impl Meter {
    /// From now on.
    pub fn start() -> Self {
        Self(resident())
    }

    /// For each of so many keys. Nothing where the system does not tell.
    pub fn tell(&self, name: &str, keys: u32) {
        if let (Some(before), Some(now)) = (self.0, resident()) {
            tell(name, (now - before) / f64::from(keys));
        }
    }
}

// Bytes.
fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}
