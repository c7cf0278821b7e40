//! Reading every record: a million of them are parsed by several threads while one reads.

use std::sync::{Arc, mpsc};
use std::thread;

use parking_lot::Mutex;
use rusqlite::{Connection, Row, Rows};

use super::fault::Fault;
use crate::key::Key;
use crate::store::Unreadable;

/// Records that are handed to a thread at once.
const CHUNK: usize = 2_048;
/// More threads than this wait for the one that reads.
const MOST_THREADS: usize = 4;

/// Records as they were read.
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) keys: Vec<Arc<Key>>,
    /// Those that cannot be.
    pub(super) unreadable: Vec<Unreadable>,
}

impl Parsed {
    fn add(&mut self, id: &[u8], record: &[u8]) {
        match Key::from_record_json(record) {
            Ok(key) => self.keys.push(Arc::new(key)),
            Err(fault) => {
                let id = str::from_utf8(id).ok().and_then(|id| id.parse().ok());
                self.unreadable.push(Unreadable { id, fault });
            }
        }
    }
}

/// The keys that changed after `generation`.
pub(super) fn later_keys(connection: &Connection, generation: i64) -> Result<Parsed, Fault> {
    let mut statement = connection.prepare_cached("SELECT id, record FROM keys WHERE generation > ?1")?;
    let mut rows = statement.query([generation])?;
    let mut parsed = Parsed::default();
    while let Some(row) = rows.next()? {
        parsed.add(bytes(row, 0)?, bytes(row, 1)?);
    }
    Ok(parsed)
}

/// Every key of the database, in the order of their ids: so each finds its place in the directory beside the last.
pub(super) fn every_key(connection: &Connection) -> Result<Parsed, Fault> {
    let mut statement = connection.prepare_cached("SELECT id, record FROM keys ORDER BY id")?;
    let mut rows = statement.query([])?;
    let first = Chunk::read(&mut rows)?;
    if first.ends.len() < CHUNK {
        return Ok(first.parse());
    }
    // A few chunks wait at most: the records in memory are few, however many there are.
    let (send, receive) = mpsc::sync_channel(MOST_THREADS);
    let receive = Mutex::new(receive);
    thread::scope(|scope| {
        let count = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let threads: Vec<_> = (0..count)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, || parse_all(&receive)).ok())
            .collect();
        let mut parsed = vec![(0, first.parse())];
        for place in 1.. {
            let chunk = Chunk::read(&mut rows)?;
            if chunk.ends.is_empty() {
                break;
            }
            if threads.is_empty() {
                parsed.push((place, chunk.parse()));
            } else if send.send((place, chunk)).is_err() {
                break;
            }
        }
        drop(send);
        for thread in threads {
            parsed.extend(thread.join().map_err(|_| Fault::told("a thread that reads key records failed"))?);
        }
        parsed.sort_unstable_by_key(|(place, _)| *place);
        let mut all = Parsed::default();
        for (_, chunk) in parsed {
            all.keys.extend(chunk.keys);
            all.unreadable.extend(chunk.unreadable);
        }
        Ok(all)
    })
}

/// Records one behind another, each behind its id, in one block.
#[derive(Default)]
struct Chunk {
    block: Vec<u8>,
    // Of each id and of each record.
    ends: Vec<[usize; 2]>,
}

impl Chunk {
    fn read(rows: &mut Rows<'_>) -> Result<Self, Fault> {
        let mut chunk = Self::default();
        while chunk.ends.len() < CHUNK
            && let Some(row) = rows.next()?
        {
            chunk.block.extend_from_slice(bytes(row, 0)?);
            let id = chunk.block.len();
            chunk.block.extend_from_slice(bytes(row, 1)?);
            chunk.ends.push([id, chunk.block.len()]);
        }
        Ok(chunk)
    }

    fn parse(&self) -> Parsed {
        let mut parsed = Parsed::default();
        let mut start = 0;
        for &[id, record] in &self.ends {
            let part = |from: usize, to: usize| self.block.get(from..to).unwrap_or_default();
            parsed.add(part(start, id), part(id, record));
            start = record;
        }
        parsed
    }
}

/// What is in a column, whatever it is: what is no text is no record either.
pub(super) fn bytes<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a [u8]> {
    Ok(row.get_ref(column)?.as_bytes().unwrap_or_default())
}

// Whatever is wrong with one chunk, the others are taken, so that whoever reads does not wait for nobody.
fn parse_all(chunks: &Mutex<mpsc::Receiver<(usize, Chunk)>>) -> Vec<(usize, Parsed)> {
    let mut parsed = Vec::new();
    loop {
        let chunk = chunks.lock().recv();
        let Ok((place, chunk)) = chunk else { return parsed };
        parsed.push((place, chunk.parse()));
    }
}
