//! What `make install` leaves is found by pkg-config and by CMake, and builds the quickstart in a folder of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Libraries, NATIVE_LIBS, cc, cxx, is_there, root, run, soname, text};
use tempfile::TempDir;

#[test]
fn pkg_config_builds_with_the_static_library() {
    if !is_there("pkg-config") {
        return;
    }
    let (prefix, folder) = (installed("static"), clean());
    let flags = pkg_config(&prefix, &["--static", "--cflags", "--libs"]);
    for native in NATIVE_LIBS {
        assert!(flags.contains(&native.to_owned()), "{native} is not among {flags:?}");
    }
    let binary = built(Command::new(cc()).arg("quickstart.c").args(flags), &folder);
    assert!(!loads_us(&binary), "it should not need the shared library");
    told(&mut Command::new(binary));
}

#[test]
fn pkg_config_builds_with_the_shared_library() {
    if !is_there("pkg-config") {
        return;
    }
    let (prefix, folder) = (installed("static shared"), clean());
    let flags = pkg_config(&prefix, &["--cflags", "--libs"]);
    assert!(!flags.contains(&"-lgcc_s".to_owned()), "{flags:?}");
    for (compiler, source) in [(cc(), "quickstart.c"), (cxx(), "quickstart.cpp")] {
        let binary = built(Command::new(compiler).arg(source).args(&flags), &folder);
        assert!(loads_us(&binary), "it should need the shared library");
        told(Command::new(binary).env("LD_LIBRARY_PATH", prefix.path().join("lib")));
    }
    let version = pkg_config(&prefix, &["--modversion"]);
    assert_eq!(version, [env!("CARGO_PKG_VERSION")]);
}

#[test]
fn cmake_builds_with_either() {
    if !is_there("cmake") {
        return;
    }
    for (link, shared) in [("static shared", "OFF"), ("static shared", "ON"), ("shared", "OFF")] {
        let (prefix, folder) = (installed(link), clean());
        let lists = "cmake_minimum_required(VERSION 3.13)\nproject(story C CXX)\nset(CMAKE_CXX_STANDARD 17)\n\
                     find_package(enclava 0.1 REQUIRED)\nfind_package(enclava 9 QUIET)\n\
                     if(enclava_FOUND)\n  message(FATAL_ERROR \"version 9 is not installed\")\nendif()\n\
                     find_package(enclava REQUIRED)\nadd_executable(in_c quickstart.c)\n\
                     target_link_libraries(in_c enclava::enclava)\nadd_executable(in_cpp quickstart.cpp)\n\
                     target_link_libraries(in_cpp enclava::enclava)\n";
        fs::write(folder.path().join("CMakeLists.txt"), lists).unwrap();
        let mut configure = Command::new("cmake");
        configure.args(["-S", ".", "-B", "build"]).arg(format!("-DBUILD_SHARED_LIBS={shared}"));
        configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.path().display()));
        told(configure.current_dir(folder.path()));
        told(Command::new("cmake").args(["--build", "build"]).current_dir(folder.path()));
        for program in ["build/in_c", "build/in_cpp"] {
            let binary = folder.path().join(program);
            assert_eq!(loads_us(&binary), link == "shared" || shared == "ON", "{link}, {shared}");
            told(&mut Command::new(binary));
        }
    }
}

/// What a static library needs beside itself is what rustc says of one: nothing of ours adds to it, or the static builds
/// here would not link.
#[test]
fn native_libraries_are_those_of_the_compiler() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("empty.rs"), "").unwrap();
    let mut rustc = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()));
    rustc.args(["--crate-type", "staticlib", "--print", "native-static-libs", "empty.rs"]);
    let output = run(rustc.current_dir(folder.path()));
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = notes.lines().find_map(|line| line.split_once("native-static-libs: "));
    let (_, needed) = line.unwrap_or_else(|| panic!("rustc says nothing: {notes}"));
    let needed: Vec<&str> = needed.split_whitespace().filter(|library| *library != "-lc").collect();
    assert_eq!(needed, NATIVE_LIBS);
    let listed = fs::read_to_string(root().join("bindings/c/packaging/enclava.pc.in")).unwrap();
    assert!(listed.contains(&format!("Libs.private: {}\n", NATIVE_LIBS.join(" "))), "{listed}");
}

/// A prefix that `make install` filled with the libraries beside this test.
fn installed(link: &str) -> TempDir {
    let libs = Libraries::find();
    let prefix = TempDir::new().unwrap();
    let built = libs.shared_library();
    let mut make = Command::new("make");
    make.arg("install-files").arg(format!("PREFIX={}", prefix.path().display())).arg(format!("LINK={link}"));
    make.arg(format!("BUILT={}", built.parent().unwrap().display()));
    told(make.current_dir(root()));
    let library = prefix.path().join("lib").join(soname());
    assert_eq!(library.exists(), link.contains("shared"));
    prefix
}

/// A folder with the quickstarts in it and nothing else.
fn clean() -> TempDir {
    let folder = TempDir::new().unwrap();
    for source in ["c/quickstart.c", "cpp/quickstart.cpp"] {
        let source = root().join("examples").join(source);
        fs::copy(&source, folder.path().join(source.file_name().unwrap())).unwrap();
    }
    folder
}

fn pkg_config(prefix: &TempDir, asked: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.args(asked).arg("enclava").env("PKG_CONFIG_PATH", prefix.path().join("lib/pkgconfig"));
    told(&mut command).split_whitespace().map(str::to_owned).collect()
}

fn built(compile: &mut Command, folder: &TempDir) -> PathBuf {
    told(compile.args(["-o", "quickstart"]).current_dir(folder.path()));
    folder.path().join("quickstart")
}

fn loads_us(binary: &Path) -> bool {
    told(Command::new("readelf").arg("-dW").arg(binary)).contains(&format!("[{}]", soname()))
}

fn told(command: &mut Command) -> String {
    text(run(command))
}
