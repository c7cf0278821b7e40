//! The ledger of `examples/c/memory_ledger.c`, compiled as a program's author would and loaded.

use std::ffi::{CStr, CString, c_int, c_void};

use enclava::enclava_ledger_vtable;

use super::common::{Libraries, cc, root, run, text};

/// The table of the ledger, and how to make one.
pub(super) struct CLedger {
    pub(super) table: enclava_ledger_vtable,
    new: extern "C" fn() -> *mut c_void,
    silence: extern "C" fn(*mut c_void, c_int),
    // Where it was loaded from.
    _libraries: Libraries,
}

impl CLedger {
    pub(super) fn build() -> Self {
        let libraries = Libraries::find();
        let object = libraries.folder().join("memory_ledger.so");
        let mut compile = libraries.compiler(&cc());
        compile
            .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC"])
            .arg(root().join("examples/c/memory_ledger.c"))
            .arg("-o")
            .arg(&object)
            .arg("-L")
            .arg(libraries.folder())
            .arg(format!("-Wl,-rpath,{}", libraries.folder().display()))
            .args(["-lenclava", "-lpthread"]);
        text(run(&mut compile));
        let path = CString::new(object.to_str().unwrap()).unwrap();
        // SAFETY: the object runs no code of its own when it is loaded, and is never unloaded.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        // SAFETY: dlerror answers with a text after a failure.
        assert!(!handle.is_null(), "{:?}", unsafe { CStr::from_ptr(libc::dlerror()) });
        let symbol = |name: &CStr| {
            // SAFETY: the handle is one, and the name ends with a NUL.
            let symbol = unsafe { libc::dlsym(handle, name.as_ptr()) };
            assert!(!symbol.is_null(), "{name:?}");
            symbol
        };
        // SAFETY: these are the types that memory_ledger.h declares.
        unsafe {
            let table: extern "C" fn() -> enclava_ledger_vtable =
                std::mem::transmute(symbol(c"memory_ledger_table"));
            Self {
                table: table(),
                new: std::mem::transmute::<*mut c_void, extern "C" fn() -> *mut c_void>(symbol(
                    c"memory_ledger_new",
                )),
                silence: std::mem::transmute::<*mut c_void, extern "C" fn(*mut c_void, c_int)>(symbol(
                    c"memory_ledger_silence",
                )),
                _libraries: libraries,
            }
        }
    }

    /// A fresh ledger, and what silences it.
    pub(super) fn make(&self) -> (*mut c_void, Box<dyn Fn(bool)>) {
        let data = (self.new)();
        assert!(!data.is_null());
        let silence = self.silence;
        (data, Box::new(move |on| silence(data, on.into())))
    }

    /// Frees a ledger that no gate took over.
    pub(super) fn free(&self, data: *mut c_void) {
        (self.table.release.unwrap())(data);
    }
}
