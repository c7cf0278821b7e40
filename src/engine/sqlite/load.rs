//! Reading every record: a million of them are parsed by several threads while one reads.

use std::sync::{Arc, mpsc};
use std::thread;

use parking_lot::Mutex;
use rusqlite::{Connection, Rows};

use super::fault::Fault;
use crate::key::{InvalidRecord, Key};

/// Records that are handed to a thread at once.
const CHUNK: usize = 2_048;
/// More threads than this wait for the one that reads.
const MOST_THREADS: usize = 4;

type Parsed = Result<Vec<Arc<Key>>, InvalidRecord>;

pub(super) fn parse<'a>(records: impl IntoIterator<Item = &'a str>) -> Parsed {
    records.into_iter().map(|record| Ok(Arc::new(Key::from_record_json(record)?))).collect()
}

/// Every key of the database, in the order of their ids: so each finds its place in the directory beside the last.
pub(super) fn every_key(connection: &Connection) -> Result<Parsed, Fault> {
    let mut statement = connection.prepare_cached("SELECT record FROM keys ORDER BY id")?;
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
        let lost = |_| vec![(0, Err(InvalidRecord::new("", "could not be read: a thread failed")))];
        parsed.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(lost)));
        parsed.sort_unstable_by_key(|(place, _)| *place);
        let mut keys = Vec::new();
        for (_, chunk) in parsed {
            match chunk {
                Ok(chunk) => keys.extend(chunk),
                Err(fault) => return Ok(Err(fault)),
            }
        }
        Ok(Ok(keys))
    })
}

/// Records one behind another, in one block.
#[derive(Default)]
struct Chunk {
    records: String,
    ends: Vec<usize>,
}

impl Chunk {
    fn read(rows: &mut Rows<'_>) -> Result<Self, Fault> {
        let mut chunk = Self::default();
        while chunk.ends.len() < CHUNK
            && let Some(row) = rows.next()?
        {
            chunk.records.push_str(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?);
            chunk.ends.push(chunk.records.len());
        }
        Ok(chunk)
    }

    fn parse(&self) -> Parsed {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        parse(starts.zip(&self.ends).filter_map(|(start, &end)| self.records.get(start..end)))
    }
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
