//! The database as a file: made whole or not at all, ours alone, and on a disk of this host.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::path::{Path, PathBuf};

use rand::TryRng;
use rand::rngs::SysRng;
use tempfile::TempPath;

use super::fault::Fault;

/// The file beside `path` whose name ends in `end`.
pub(super) fn sibling(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

/// The file that `path` means from everywhere.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, Fault> {
    let directory = directory_of(path);
    let whole = fs::canonicalize(&directory).map_err(|error| Fault::io(&directory, &error))?;
    let path = whole.join(path.file_name().unwrap_or_default());
    // A link to the database, or no database yet.
    Ok(fs::canonicalize(&path).unwrap_or(path))
}

/// Which file it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    node: u64,
}

impl Identity {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Some(Self { device: metadata.dev(), node: metadata.ino() })
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Some(Self { device: 0, node: 0 })
        }
    }
}

/// Whether there is a database to open; an error if there is something else.
pub(super) fn exists(path: &Path) -> Result<bool, Fault> {
    let directory = directory_of(path);
    refuse_networks(&directory)?;
    match fs::metadata(path) {
        Ok(metadata) => check(path, &metadata).map(|()| true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let journal = sibling(path, "-wal");
            // SQLite would play it into the new file.
            if fs::metadata(&journal).is_ok_and(|journal| journal.len() > 0) {
                return Err(Fault::told(format!(
                    "{}: the database is gone and its journal {} is still there; put a backup in its place, or remove \
                     the journal to begin anew",
                    path.display(),
                    journal.display()
                )));
            }
            Ok(false)
        }
        Err(error) => Err(Fault::io(path, &error)),
    }
}

/// Makes a database with `fill` in a file of another name, and gives it its own name when it is complete: nobody ever
/// finds half of one. What is there already stands.
pub(super) fn make(path: &Path, fill: impl FnOnce(&Path) -> Result<(), Fault>) -> Result<Made, Fault> {
    let directory = directory_of(path);
    let fault = |error: std::io::Error| Fault::io(path, &error);
    let unnamed = empty_file(&directory).map_err(fault)?;
    fill(&unnamed)?;
    File::open(&unnamed).and_then(|file| file.sync_all()).map_err(fault)?;
    match unnamed.persist_noclobber(path) {
        Ok(()) => {}
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(Made::WasThere),
        Err(error) => return Err(fault(error.error)),
    }
    #[cfg(unix)]
    File::open(&directory).and_then(|directory| directory.sync_all()).map_err(fault)?;
    Ok(Made::New)
}

// A file that is removed again unless it is given a name, closed before SQLite opens it: a second descriptor, when
// closed, would take SQLite's locks along. Its name is drawn here: tempfile's own drawing leaves behind what leak checkers
// report to C programs.
fn empty_file(directory: &Path) -> std::io::Result<TempPath> {
    let number = SysRng.try_next_u64().map_err(std::io::Error::other)?;
    let path = directory.join(format!(".enclava-{number:016x}.new"));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // Its owner's alone.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path)?;
    TempPath::try_from_path(path)
}

/// What is wrong with who may use the file.
#[cfg(unix)]
pub(super) fn exposed(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0)
        .then(|| format!("{}: others may use the file (mode {mode:o}): chmod 600", path.display()))
}

#[cfg(not(unix))]
pub(super) fn exposed(_: &Path) -> Option<String> {
    None
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), Fault> {
    let told = |what: String| Err(Fault::told(format!("{}: {what}", path.display())));
    if !metadata.is_file() {
        return told("is not a file".to_owned());
    }
    if metadata.len() == 0 {
        return told(
            "the file is empty: it was cut off. Put a backup in its place, or remove it to begin anew"
                .to_owned(),
        );
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (owner, own) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != own {
            // Root could open it, and would leave files beside it that its owner cannot.
            return told(format!(
                "belongs to user {owner}, and this process runs as user {own}; run it as that user"
            ));
        }
    }
    Ok(())
}

/// Whether a file was there already when it was to be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Made {
    New,
    WasThere,
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

// Locks and shared memory do not work between hosts: two of them would each think that they were alone.
#[cfg(target_os = "linux")]
fn refuse_networks(directory: &Path) -> Result<(), Fault> {
    let found = rustix::fs::statfs(directory).map_err(|error| Fault::io(directory, &error.into()))?;
    match network_name(i128::from(found.f_type)) {
        Some(name) => Err(Fault::told(format!(
            "{}: is on a network file system ({name}), where SQLite cannot keep processes apart; use a local disk",
            directory.display()
        ))),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_networks(_: &Path) -> Result<(), Fault> {
    Ok(())
}

// The magic numbers of statfs(2).
#[cfg(target_os = "linux")]
fn network_name(kind: i128) -> Option<&'static str> {
    const NAMES: [(i128, &str); 8] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x5346_414f, "AFS"),
        (0x6b41_4653, "AFS"),
        (0x00c3_6400, "Ceph"),
        (0x0bd0_0bd0, "Lustre"),
    ];
    // Some systems tell it as a signed number of 32 bits.
    NAMES.iter().find(|(magic, _)| *magic == kind.rem_euclid(1 << 32)).map(|(_, name)| *name)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_and_disks_are_not() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(-11_317_950), Some("CIFS"), "told as a signed number");
        for disk in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630] {
            assert_eq!(network_name(disk), None, "{disk:x}");
        }
    }
}
