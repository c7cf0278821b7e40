//! A long list of patterns, searched at a cost that its length does not set.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::glob::Glob;

/// Patterns in the order they were given, with an index over them.
#[derive(Clone)]
pub(super) struct ModelIndex {
    entries: Box<[Box<str>]>,
    // Positions in `entries`.
    exact: HashTable<u32>,
    hasher: DefaultHashBuilder,
    // INVARIANT: sorted, without the `*`, and none is the start of another. So the only one that can stand in front
    // of a text is its predecessor: whatever sorted between the two would itself start with the first.
    prefixes: Box<[Box<[u8]>]>,
}

impl ModelIndex {
    pub(super) fn new(entries: Box<[Box<str>]>) -> Self {
        let hasher = DefaultHashBuilder::default();
        let mut exact = HashTable::new();
        let mut prefixes: Vec<&[u8]> = Vec::new();
        for (position, entry) in (0_u32..).zip(&entries) {
            match Glob::new(entry.as_bytes()) {
                Glob::Prefix(literal) => prefixes.push(literal),
                Glob::Exact(text) => {
                    let hash = hasher.hash_one(text);
                    exact.insert_unique(hash, position, |&other| hasher.hash_one(text_at(&entries, other)));
                }
            }
        }
        exact.shrink_to_fit(|&position| hasher.hash_one(text_at(&entries, position)));
        prefixes.sort_unstable();
        // In sorted order a start comes right before all that it covers.
        prefixes.dedup_by(|longer, shorter| longer.starts_with(shorter));
        let prefixes = prefixes.into_iter().map(Into::into).collect();
        Self { entries, exact, hasher, prefixes }
    }

    pub(super) fn entries(&self) -> &[Box<str>] {
        &self.entries
    }

    pub(super) fn admits(&self, of: Glob<'_>) -> bool {
        match of {
            Glob::Exact(text) => self.names(text) || self.covers(text, |prefix| prefix < text),
            Glob::Prefix(start) => self.covers(start, |prefix| prefix <= start),
        }
    }

    fn names(&self, text: &[u8]) -> bool {
        let same = |&position: &u32| text_at(&self.entries, position) == text;
        self.exact.find(self.hasher.hash_one(text), same).is_some()
    }

    fn covers(&self, text: &[u8], before: impl Fn(&[u8]) -> bool) -> bool {
        let after = self.prefixes.partition_point(|prefix| before(prefix));
        let nearest = after.checked_sub(1).and_then(|position| self.prefixes.get(position));
        nearest.is_some_and(|prefix| text.starts_with(prefix))
    }
}

fn text_at(entries: &[Box<str>], position: u32) -> &[u8] {
    usize::try_from(position).ok().and_then(|at| entries.get(at)).map_or(b"", |entry| entry.as_bytes())
}
