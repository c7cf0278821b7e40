//! The gateway of `examples/cpp` answers the client that everybody uses.

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Form, Libraries, compiled, cxx, is_there, root, run, text};

/// What is installed for this test. One version, so that it tests the gateway and not the day.
const CLIENT: &str = "openai==3.54.0";

#[test]
fn the_openai_client_is_answered() {
    let Some(python) = python() else { return };
    let libs = Libraries::find();
    let header = Command::new(cxx()).args(["-E", "-include", "httplib.h", "-x", "c++", "/dev/null"]).output();
    if !header.is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("CI").is_none(),
            "cpp-httplib is not installed (Debian: libcpp-httplib-dev)"
        );
        return;
    }
    let mut compiler = libs.compiler(&cxx());
    compiler.args(["-std=c++17", "-Wall", "-Wextra", "-Werror"]);
    let binary = compiled(&libs, compiler, &root().join("examples/cpp/gateway.cpp"), Form::Static);
    let mut gateway = Served(Command::new(binary).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(gateway.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut told = |start: &str| {
        let line = lines.next().unwrap();
        line.strip_prefix(start).unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    let (key, spent, url) = (told("key "), told("spent "), told(""));
    text(run(Command::new(python).arg(root().join("tests/c/openai_client.py")).args([url, key, spent])));
}

/// A Python that has the client, made once for this target directory. None without Python or the network.
fn python() -> Option<PathBuf> {
    let there = is_there("python3");
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join(CLIENT);
    let python = venv.join("bin/python");
    let has_client = |python: &Path| {
        Command::new(python)
            .args(["-c", "import openai"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if there && !has_client(&python) {
        let done = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let made = done(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
            && done(Command::new(&python).args(["-m", "pip", "install", "--quiet", CLIENT]));
        assert!(made || std::env::var_os("CI").is_none(), "{CLIENT} cannot be installed");
    }
    has_client(&python).then_some(python)
}

/// A server that ends with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
