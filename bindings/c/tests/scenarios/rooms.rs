//! The ledger and the store of `examples/c`, compiled as a program's author would and loaded.

use std::ffi::{CStr, CString, c_int, c_void};

use enclava::{enclava_ledger_vtable, enclava_store_vtable};

use super::common::{Libraries, cc, root, run, text};

type Share = extern "C" fn(*mut c_void) -> *mut c_void;
type Release = extern "C" fn(*mut c_void);
type Silence = extern "C" fn(*mut c_void, c_int);

/// What the sources of one room come to: its table, and how to make, share, silence and let go of one.
pub(super) struct Room<T> {
    pub(super) table: T,
    new: extern "C" fn() -> *mut c_void,
    share: Share,
    release: Release,
    silence: Silence,
}

/// A ledger and a store in C.
pub(super) struct Rooms {
    pub(super) ledger: Room<enclava_ledger_vtable>,
    pub(super) store: Room<enclava_store_vtable>,
    // Where they were loaded from.
    _libraries: Libraries,
}

/// One of them, of which this is one owner.
pub(super) struct Made {
    data: *mut c_void,
    share: Share,
    release: Release,
    silence: Silence,
}

impl Rooms {
    pub(super) fn build() -> Self {
        let libraries = Libraries::find();
        let object = libraries.folder().join("rooms.so");
        let mut compile = libraries.compiler(&cc());
        compile
            .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC"])
            .args(["memory_ledger.c", "memory_store.c"].map(|source| root().join("examples/c").join(source)))
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
        // SAFETY: these are the types that the headers beside the sources declare.
        unsafe {
            Self { ledger: room(handle, "ledger"), store: room(handle, "store"), _libraries: libraries }
        }
    }
}

impl<T> Room<T> {
    pub(super) fn make(&self) -> Made {
        let data = (self.new)();
        assert!(!data.is_null());
        Made { data, share: self.share, release: self.release, silence: self.silence }
    }
}

impl Made {
    /// What a gate is handed, and lets go of once it has opened.
    pub(super) fn shared(&self) -> *mut c_void {
        (self.share)(self.data)
    }

    /// Takes back what a gate that did not open was handed.
    pub(super) fn take_back(&self) {
        (self.release)(self.data);
    }

    pub(super) fn silence(&self, silent: bool) {
        (self.silence)(self.data, silent.into());
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        (self.release)(self.data);
    }
}

// SAFETY: for whoever calls it: the object has these functions, of these types.
unsafe fn room<T>(handle: *mut c_void, name: &str) -> Room<T> {
    // SAFETY: as above.
    unsafe {
        let table: extern "C" fn() -> T = function(handle, name, "table");
        Room {
            table: table(),
            new: function(handle, name, "new"),
            share: function(handle, name, "share"),
            release: function(handle, name, "release"),
            silence: function(handle, name, "silence"),
        }
    }
}

// SAFETY: for whoever calls it: F is a pointer to a function of the type that this one has.
unsafe fn function<F>(handle: *mut c_void, room: &str, name: &str) -> F {
    let name = CString::new(format!("memory_{room}_{name}")).unwrap();
    // SAFETY: the handle is one, and the name ends with a NUL.
    let symbol = unsafe { libc::dlsym(handle, name.as_ptr()) };
    assert!(!symbol.is_null(), "{name:?}");
    // SAFETY: as above; both are pointers.
    unsafe { std::mem::transmute_copy(&symbol) }
}
