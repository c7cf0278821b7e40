//! C programs compile strictly against the header, link with both forms of the library, and run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

// What a static Rust library needs from the system beside itself.
const NATIVE_LIBS: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

#[test]
fn c_programs_link_and_run() {
    let libs = Libraries::find();
    for program in programs() {
        for standard in ["c99", "c11", "c17"] {
            for form in [Form::Static, Form::Shared] {
                let binary = libs.compile(&program, standard, form);
                let output = run(Command::new(&binary).env("LD_LIBRARY_PATH", libs.shared.path()));
                assert!(
                    output.status.success(),
                    "{} as {standard}, {form:?}: {}\n{}{}",
                    program.display(),
                    output.status,
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr),
                );
            }
        }
    }
}

#[test]
fn shared_library_exports_only_our_names() {
    let libs = Libraries::find();
    let listing = text(run(Command::new("nm").args(["-D", "--defined-only"]).arg(libs.shared_library())));
    let names: Vec<&str> = listing.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert!(names.contains(&"enclava_abi_version"), "{listing}");
    assert!(names.iter().all(|name| name.starts_with("enclava_")), "{listing}");
}

#[test]
fn shared_library_is_named_after_its_abi() {
    let libs = Libraries::find();
    let dynamic = text(run(Command::new("readelf").arg("-dW").arg(libs.shared_library())));
    let expected = format!("soname: [{}]", soname());
    assert!(dynamic.contains(&expected), "no `{expected}` in\n{dynamic}");
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Static,
    Shared,
}

/// The libraries that cargo built beside this test, and a directory where the shared one has its run-time name.
struct Libraries {
    built: PathBuf,
    shared: TempDir,
}

impl Libraries {
    fn find() -> Self {
        let test = std::env::current_exe().unwrap();
        let built = test.parent().unwrap().to_path_buf();
        let shared = TempDir::new().unwrap();
        for name in [soname(), "libenclava.so".into()] {
            std::os::unix::fs::symlink(built.join("libenclava.so"), shared.path().join(name)).unwrap();
        }
        Self { built, shared }
    }

    fn shared_library(&self) -> PathBuf {
        self.built.join("libenclava.so")
    }

    fn compile(&self, program: &Path, standard: &str, form: Form) -> PathBuf {
        let binary = self.shared.path().join(program.file_stem().unwrap());
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
        let mut command = Command::new(compiler);
        command
            .arg(format!("-std={standard}"))
            .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
            .arg(root().join("include"))
            .arg(program)
            .arg("-o")
            .arg(&binary);
        match form {
            Form::Static => command.arg(self.built.join("libenclava.a")).args(NATIVE_LIBS),
            Form::Shared => command.arg("-L").arg(self.shared.path()).arg("-lenclava"),
        };
        let output = run(&mut command);
        assert!(
            output.status.success(),
            "{} as {standard}, {form:?} does not compile:\n{}",
            program.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        binary
    }
}

fn programs() -> Vec<PathBuf> {
    let found = std::fs::read_dir(root().join("tests/c")).unwrap().map(|entry| entry.unwrap().path());
    let programs: Vec<_> = found.filter(|path| path.extension().is_some_and(|ext| ext == "c")).collect();
    assert!(!programs.is_empty(), "tests/c holds no program");
    programs
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn soname() -> String {
    format!("libenclava.so.{}", enclava::ENCLAVA_ABI_VERSION)
}

fn run(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| {
        panic!("cannot run {command:?}: {error}; these tests need a C compiler and binutils (Debian: gcc)")
    })
}

fn text(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
