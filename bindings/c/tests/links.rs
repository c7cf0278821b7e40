//! C and C++ programs compile strictly against the headers, link with both forms of the library, and run.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Form, Libraries, cc, compiled, cxx, is_there, programs, root, run, soname, text};

const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];

#[test]
fn c_programs_link_and_run() {
    let libs = Libraries::find();
    for program in programs(&["tests/c", "examples/c"], "c") {
        for standard in ["c99", "c11", "c17"] {
            for form in [Form::Static, Form::Shared] {
                runs(&libs, libs.compiler(&cc()), &program, standard, form);
            }
        }
    }
}

#[test]
fn cpp_programs_link_and_run() {
    let libs = Libraries::find();
    for program in programs(&["tests/c", "examples/cpp"], "cpp") {
        for standard in ["c++17", "c++20"] {
            for form in [Form::Static, Form::Shared] {
                runs(&libs, libs.compiler(&cxx()), &program, standard, form);
            }
        }
    }
}

/// What the README shows is what a reader gets to see, without a warning.
#[test]
fn the_readme_runs() {
    let libs = Libraries::find();
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let blocks: Vec<&str> =
        readme.split("```c\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "the README shows no C");
    for block in blocks {
        let program = libs.folder().join("check.c");
        std::fs::write(&program, block).unwrap();
        let printed = runs(&libs, libs.compiler(&cc()), &program, "c99", Form::Shared);
        assert_eq!(printed, "admitted\n");
    }
}

#[test]
fn the_headers_alone_compile_everywhere() {
    let libs = Libraries::find();
    let source = |name: &str, text: &str| {
        let path = libs.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let c = source("alone.c", "#include <enclava.h>\nint main(void) { return ENCLAVA_STATUS_OK; }\n");
    let cpp = source("alone.cpp", "#include <enclava.hpp>\nint main() { return ENCLAVA_STATUS_OK; }\n");
    let quiet = source(
        "quiet.cpp",
        "#define ENCLAVA_EXCEPTIONS\n#include <enclava.hpp>\nint main() { return ENCLAVA_STATUS_OK; }\n",
    );
    for (language, compilers, standards, files) in [
        ("c", ["gcc", "clang"], &["c99", "c11", "c17"][..], vec![&c]),
        ("c++", ["g++", "clang++"], &["c++17", "c++20"][..], vec![&c, &cpp, &quiet]),
    ] {
        for compiler in compilers {
            if !is_there(compiler) {
                continue;
            }
            for (standard, file) in
                standards.iter().flat_map(|standard| files.iter().map(move |file| (standard, file)))
            {
                let mut command = libs.compiler(compiler);
                command.arg(format!("-std={standard}")).args(STRICT).args(["-fsyntax-only", "-x", language]);
                text(run(command.arg(file)));
            }
        }
    }
}

#[test]
fn shared_library_exports_only_our_names() {
    let libs = Libraries::find();
    let listing = text(run(Command::new("nm").args(["-D", "--defined-only"]).arg(libs.shared_library())));
    let names: Vec<&str> = listing.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert!(names.iter().all(|name| name.starts_with("enclava_")), "{listing}");
    // Each function of the header is there, and no other.
    let header = std::fs::read_to_string(root().join("include/enclava.h")).unwrap();
    for name in &names {
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
    }
    let declared = header
        .split(|char: char| char.is_whitespace() || char == '*')
        .filter_map(|word| word.split_once('('));
    // A name that a parenthesis ends is that of a type of functions.
    let is_exported =
        |name: &str| name.starts_with("enclava_") && !name.ends_with("_init") && !name.ends_with(')');
    for (name, _) in declared.filter(|(name, _)| is_exported(name)) {
        assert!(name == "enclava_text" || names.contains(&name), "{name} is not in the library");
    }
}

#[test]
fn shared_library_is_named_after_its_abi() {
    let libs = Libraries::find();
    let dynamic = text(run(Command::new("readelf").arg("-dW").arg(libs.shared_library())));
    let expected = format!("soname: [{}]", soname());
    assert!(dynamic.contains(&expected), "no `{expected}` in\n{dynamic}");
}

#[test]
fn every_function_is_called_with_nothing() {
    let nulls = std::fs::read_to_string(root().join("tests/c/nulls.c")).unwrap();
    let libs = Libraries::find();
    let listing = text(run(Command::new("nm").args(["-D", "--defined-only"]).arg(libs.shared_library())));
    for name in listing.lines().filter_map(|line| line.split_whitespace().last()) {
        assert!(nulls.contains(&format!("{name}(")), "tests/c/nulls.c does not call {name}");
    }
}

// What it printed.
fn runs(libs: &Libraries, mut compiler: Command, program: &Path, standard: &str, form: Form) -> String {
    compiler.arg(format!("-std={standard}")).args(STRICT);
    let binary = compiled(libs, compiler, program, form);
    let output = run(Command::new(&binary).env("LD_LIBRARY_PATH", libs.folder()));
    assert!(
        output.status.success(),
        "{} as {standard}, {form:?}: {}\n{}{}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
