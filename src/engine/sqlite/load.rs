//! Reading every record: a million of them are parsed by several threads while one reads.

use std::sync::{Arc, mpsc};
use std::thread;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::fault::Fault;
use crate::key::{InvalidRecord, Key};

/// Records that are handed to a thread at once.
const CHUNK: usize = 2_048;
/// More threads than this wait for the one that reads.
const MOST_THREADS: usize = 4;

type Parsed = Result<Vec<Arc<Key>>, InvalidRecord>;

pub(super) fn parse(records: Vec<String>) -> Parsed {
    records.into_iter().map(|record| Ok(Arc::new(Key::from_record_json(record)?))).collect()
}

/// Every key of the database, in no order.
pub(super) fn every_key(connection: &Connection) -> Result<Parsed, Fault> {
    let mut statement = connection.prepare_cached("SELECT record FROM keys")?;
    let mut records = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut read = || records.by_ref().take(CHUNK).collect::<Result<Vec<_>, _>>();
    let first = read()?;
    if first.len() < CHUNK {
        return Ok(parse(first));
    }
    // A few chunks wait at most: the records in memory are few, however many there are.
    let (send, receive) = mpsc::sync_channel(MOST_THREADS);
    let receive = Mutex::new(receive);
    thread::scope(|scope| {
        let count = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let threads: Vec<_> = (0..count)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, || parse_all(&receive)).ok())
            .collect();
        let mut own = parse(first);
        loop {
            let chunk = read()?;
            if chunk.is_empty() {
                break;
            }
            if threads.is_empty() {
                own = join(own, parse(chunk));
            } else if send.send(chunk).is_err() {
                break;
            }
        }
        drop(send);
        let lost = || Err(InvalidRecord::new("", "could not be read: a thread failed"));
        Ok(threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| lost())).fold(own, join))
    })
}

// Whatever is wrong with one chunk, the others are taken, so that whoever reads does not wait for nobody.
fn parse_all(chunks: &Mutex<mpsc::Receiver<Vec<String>>>) -> Parsed {
    let mut parsed = Ok(Vec::new());
    loop {
        let chunk = chunks.lock().recv();
        let Ok(chunk) = chunk else { return parsed };
        parsed = join(parsed, parse(chunk));
    }
}

fn join(all: Parsed, more: Parsed) -> Parsed {
    let (mut all, more) = (all?, more?);
    all.extend(more);
    Ok(all)
}
