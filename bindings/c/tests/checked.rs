//! The same programs under the tools of those who write C: valgrind, and the sanitizers of the compiler.

mod common;

use std::process::Command;

use common::{Form, Libraries, cc, compiled, cxx, is_there, programs, run, text};

/// What every program does is right for memory: nothing read before it was written, nothing lost.
#[test]
fn valgrind_finds_nothing() {
    if !is_there("valgrind") {
        return;
    }
    let libs = Libraries::find();
    for (compiler, program) in all() {
        let mut compile = libs.compiler(&compiler);
        compile.arg("-g");
        let binary = compiled(&libs, compile, &program, Form::Shared);
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args([
                "-q",
                "--leak-check=full",
                "--error-exitcode=9",
                "--fair-sched=yes",
                "--trace-children=no",
            ])
            .args([
                "--show-leak-kinds=definite,indirect,possible",
                "--errors-for-leak-kinds=definite,indirect,possible",
            ])
            .arg(binary)
            .env("LD_LIBRARY_PATH", libs.folder());
        text(run(&mut valgrind));
    }
}

/// The programs' own side of it, with the library as it is shipped.
#[test]
fn sanitizers_find_nothing() {
    let libs = Libraries::find();
    for (compiler, program) in all() {
        let mut compile = libs.compiler(&compiler);
        compile.args(["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
        let binary = compiled(&libs, compile, &program, Form::Shared);
        let mut program = Command::new(binary);
        program.env("ASAN_OPTIONS", "detect_leaks=1").env("LD_LIBRARY_PATH", libs.folder());
        text(run(&mut program));
    }
}

fn all() -> impl Iterator<Item = (String, std::path::PathBuf)> {
    let c = programs(&["tests/c", "examples/c"], "c").into_iter().map(|program| (cc(), program));
    c.chain(programs(&["tests/c", "examples/cpp"], "cpp").into_iter().map(|program| (cxx(), program)))
}
