//! The libraries that cargo built beside these tests, and compilers that link with them.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// What a static Rust library needs from the system beside itself.
pub(crate) const NATIVE_LIBS: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

/// The libraries, and a folder where the shared one has its run-time name.
pub(crate) struct Libraries {
    built: PathBuf,
    folder: TempDir,
}

impl Libraries {
    pub(crate) fn find() -> Self {
        let test = std::env::current_exe().unwrap();
        let built = test.parent().unwrap().to_path_buf();
        let folder = TempDir::new().unwrap();
        for name in [soname(), "libenclava.so".into()] {
            std::os::unix::fs::symlink(built.join("libenclava.so"), folder.path().join(name)).unwrap();
        }
        Self { built, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn shared_library(&self) -> PathBuf {
        self.built.join("libenclava.so")
    }

    pub(crate) fn static_library(&self) -> PathBuf {
        self.built.join("libenclava.a")
    }

    /// A compiler with our headers at hand.
    pub(crate) fn compiler(&self, compiler: &str) -> Command {
        let mut command = Command::new(compiler);
        command.current_dir(self.folder.path()).arg("-I").arg(root().join("include"));
        command
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn soname() -> String {
    format!("libenclava.so.{}", enclava::ENCLAVA_ABI_VERSION)
}

pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| {
        panic!("cannot run {command:?}: {error}; these tests need a C compiler and binutils (Debian: gcc)")
    })
}

/// The compilers to build programs with: $CC and $CXX, or the system's.
pub(crate) fn cc() -> String {
    std::env::var("CC").unwrap_or_else(|_| "cc".into())
}

pub(crate) fn cxx() -> String {
    std::env::var("CXX").unwrap_or_else(|_| "c++".into())
}

#[allow(clippy::needless_pass_by_value, reason = "what a command came to is handed on once")]
pub(crate) fn text(output: Output) -> String {
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}\n{told}{}", output.status, String::from_utf8_lossy(&output.stderr));
    told
}
