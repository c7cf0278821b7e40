//! C and C++ programs compile strictly against the headers, link with both forms of the library, and run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Libraries, NATIVE_LIBS, cc, cxx, root, run, soname, text};

const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];

#[test]
fn c_programs_link_and_run() {
    let libs = Libraries::find();
    for program in sources(&["tests/c", "examples/c"], "c") {
        for standard in ["c99", "c11", "c17"] {
            for form in [Form::Static, Form::Shared] {
                runs(&libs, &libs.compiler(&cc()), &program, standard, form);
            }
        }
    }
}

#[test]
fn cpp_programs_link_and_run() {
    let libs = Libraries::find();
    for program in sources(&["tests/c", "examples/cpp"], "cpp") {
        for standard in ["c++17", "c++20"] {
            for form in [Form::Static, Form::Shared] {
                runs(&libs, &libs.compiler(&cxx()), &program, standard, form);
            }
        }
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
                assert!(std::env::var_os("CI").is_none(), "{compiler} is not installed");
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
    for (name, _) in declared.filter(|(name, _)| name.starts_with("enclava_") && !name.ends_with("_init")) {
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

#[derive(Debug, Clone, Copy)]
enum Form {
    Static,
    Shared,
}

fn runs(libs: &Libraries, compiler: &Command, program: &Path, standard: &str, form: Form) {
    let binary = libs.folder().join(program.file_stem().unwrap());
    let mut command = Command::new(compiler.get_program());
    command.args(compiler.get_args()).arg(format!("-std={standard}")).args(STRICT).arg(program);
    // What a program needs beside the library stands in its first line.
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
    let output = run(Command::new(&binary).env("LD_LIBRARY_PATH", libs.folder()));
    assert!(
        output.status.success(),
        "{} as {standard}, {form:?}: {}\n{}{}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

fn is_there(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok()
}

/// The programs in these folders: sources with a `main`.
fn sources(folders: &[&str], extension: &str) -> Vec<PathBuf> {
    let mut programs = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path().canonicalize().unwrap();
            let is_source = path.extension().is_some_and(|found| found == extension);
            if is_source && std::fs::read_to_string(&path).unwrap().contains("int main(") {
                programs.push(path);
            }
        }
    }
    assert!(!programs.is_empty(), "{folders:?} hold no program");
    programs
}
