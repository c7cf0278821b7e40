//! A store written in C: where key records live.

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use enclava_keys::store::{Changes, News, Store, StoreError};
use enclava_keys::{Key, KeyId, Timestamp};

use crate::fault::Fault;
use crate::guard::guard;
use crate::handle::{Userdata, given};
use crate::manage::read_id;
use crate::sized::{self, Growable};
use crate::status::enclava_status;
use crate::table::{NoAnswer, answered, lent};
use crate::text::enclava_str;

/// What a store tells, see `news` in enclava_store_vtable.
#[derive(Debug, Default)]
pub struct enclava_news {
    put: Vec<Arc<Key>>,
    gone: Vec<KeyId>,
    // The state that this leads to, and whether the records are all that there are.
    generation: Option<(u64, bool)>,
}

/// A store of your own: where key records live. Begin with enclava_store_vtable_init().
///
/// The gate holds every record in memory and asks the store only for news, so it may be slow. It judges nothing: a record
/// is text that comes back as it was. Each function is called from any threads at once and must not call the gate, or
/// leave by longjmp or a C++ exception. It returns an enclava_status: ENCLAVA_STATUS_OK, ENCLAVA_STATUS_CONFLICT where that is
/// said, and any other when the store cannot answer. What it is handed is lent for the call; `data` is what the gate was
/// opened with.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_store_vtable {
    /// sizeof(enclava_store_vtable).
    pub size: u32,
    /// 1 if records may change without this gate: then it asks for news within the refresh interval.
    pub is_shared: i32,
    /// Tells what changed since the generation `since`, or everything where `is_first` is 1: enclava_news_put() and
    /// enclava_news_remove() for each, then enclava_news_end().
    pub news:
        Option<extern "C" fn(since: u64, is_first: i32, news: *mut enclava_news, data: *mut c_void) -> i32>,
    /// Keeps `record`, a JSON object, as revision `revision` of the key `id`; ENCLAVA_STATUS_CONFLICT unless the one kept is
    /// of revision `replaces`, 0 for none.
    pub put: Option<
        extern "C" fn(
            id: enclava_str,
            record: enclava_str,
            revision: u64,
            replaces: u64,
            data: *mut c_void,
        ) -> i32,
    >,
    /// Removes the key `id`, and writes 1 to `found` if there was one; it comes 0.
    pub remove: Option<extern "C" fn(id: enclava_str, found: *mut i32, data: *mut c_void) -> i32>,
    /// The gate is gone: frees `data`. Not called if the gate did not open. NULL if nothing is to be freed.
    pub release: Option<extern "C" fn(data: *mut c_void)>,
}

// SAFETY: repr(C), its u32 of size first, no padding, integers and nullable function pointers; what a caller leaves in a
// function pointer is one or NULL, as the header says.
unsafe impl Growable for enclava_store_vtable {
    const NAME: &'static str = "store";
    const FIRST: usize = 40;
}

/// Tells one record from within `news`, as it was put.
///
/// @return ENCLAVA_STATUS_INVALID_RECORD for text that is none.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_news_put(news: Option<&mut enclava_news>, record: enclava_str) -> enclava_status {
    guard(|| {
        let record = Key::from_record_json(record.bytes("record")?).map_err(enclava_keys::Error::from)?;
        given(news, "news")?.put.push(Arc::new(record));
        Ok(())
    })
}

/// Tells the id of a key that is gone, from within `news`.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_news_remove(news: Option<&mut enclava_news>, id: enclava_str) -> enclava_status {
    guard(|| {
        let id = read_id(id.text("id")?, "id")?;
        given(news, "news")?.gone.push(id);
        Ok(())
    })
}

/// Ends the news: `generation` names the state that they lead to, and `is_all` is 1 if these are all the records that there
/// are, 0 if they are what changed.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_news_end(
    news: Option<&mut enclava_news>,
    generation: u64,
    is_all: i32,
) -> enclava_status {
    guard(|| {
        given(news, "news")?.generation = Some((generation, is_all != 0));
        Ok(())
    })
}

/// A store behind a table of C functions.
pub(crate) struct ForeignStore {
    table: enclava_store_vtable,
    data: Userdata,
    // Until the gate is open, the data is the caller's.
    ours: AtomicBool,
}

impl ForeignStore {
    pub(crate) fn new(table: *const enclava_store_vtable, data: *mut c_void) -> Result<Self, Fault> {
        let table = sized::read(table)?;
        given(table.news, "store.news")?;
        given(table.put, "store.put")?;
        given(table.remove, "store.remove")?;
        Ok(Self { table, data: Userdata::new(data), ours: AtomicBool::new(false) })
    }

    /// From now on the data is freed with the store.
    pub(crate) fn take_over(&self) {
        self.ours.store(true, Ordering::Release);
    }
}

impl Store for ForeignStore {
    fn news(&self, since: Option<u64>, _: Timestamp) -> Result<News, StoreError> {
        let news = self.table.news.ok_or(NoAnswer::Missing)?;
        let mut told = enclava_news::default();
        answered(news(since.unwrap_or(0), since.is_none().into(), &raw mut told, self.data.get()))?;
        let Some((generation, is_all)) = told.generation else {
            return Err(StoreError::Unavailable("it did not end its news".into()));
        };
        let changes = match (is_all, told.put.is_empty() && told.gone.is_empty()) {
            (true, _) => Changes::All(told.put),
            (false, true) => Changes::None,
            (false, false) => Changes::Some(told.put, told.gone),
        };
        Ok(News { generation, changes, unreadable: Vec::new() })
    }

    fn put(&self, key: &Arc<Key>, replaces: Option<u64>) -> Result<(), StoreError> {
        let put = self.table.put.ok_or(NoAnswer::Missing)?;
        let (id, record) = (key.id().to_string(), key.to_record_json());
        let replaces = replaces.unwrap_or(0);
        Ok(answered(put(lent(&id), lent(&record), key.revision(), replaces, self.data.get()))?)
    }

    fn remove(&self, id: &KeyId) -> Result<bool, StoreError> {
        let remove = self.table.remove.ok_or(NoAnswer::Missing)?;
        let (id, mut found) = (id.to_string(), 0);
        answered(remove(lent(&id), &raw mut found, self.data.get()))?;
        Ok(found != 0)
    }

    fn is_shared(&self) -> bool {
        self.table.is_shared != 0
    }
}

impl Drop for ForeignStore {
    fn drop(&mut self) {
        if let Some(release) = self.table.release.filter(|_| self.ours.load(Ordering::Acquire)) {
            release(self.data.get());
        }
    }
}

impl fmt::Debug for ForeignStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignStore").finish_non_exhaustive()
    }
}
