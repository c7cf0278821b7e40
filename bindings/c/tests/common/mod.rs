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

/// Builds `program` with the static library and what its first lines say that it needs.
pub(crate) fn compiled(libs: &Libraries, compiler: Command, program: &Path, form: Form) -> PathBuf {
    let binary = libs.folder().join(program.file_stem().unwrap());
    let mut command = compiler;
    command.arg(program);
    let source = std::fs::read_to_string(program).unwrap();
    let needs =
        source.lines().next().and_then(|line| line.split_once("needs: ")).map_or("", |(_, needs)| needs);
    for needed in needs.trim_end_matches(" */").split_whitespace() {
        match needed.strip_prefix('-') {
            Some(_) => command.arg(needed),
            None => command.arg(program.with_file_name(needed)),
        };
    }
    match form {
        Form::Static => command.arg(libs.static_library()).args(NATIVE_LIBS),
        Form::Shared => command.arg("-L").arg(libs.folder()).arg("-lenclava"),
    };
    text(run(command.arg("-o").arg(&binary)));
    binary
}

/// Which of the two libraries a program is linked with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Static,
    Shared,
}

/// The programs in these folders: sources with a `main`, but for the server, which its clients try.
pub(crate) fn programs(folders: &[&str], extension: &str) -> Vec<PathBuf> {
    let mut programs = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path().canonicalize().unwrap();
            let is_source =
                path.extension().is_some_and(|found| found == extension) && !path.ends_with("gateway.cpp");
            if is_source && std::fs::read_to_string(&path).unwrap().contains("int main(") {
                programs.push(path);
            }
        }
    }
    assert!(!programs.is_empty(), "{folders:?} hold no program");
    programs
}

/// Whether a tool can be run. Where every check must be made, it has to be.
pub(crate) fn is_there(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "{tool} is not installed");
    there
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
