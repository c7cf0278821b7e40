//! What an operator probably did not mean: told where it arrives, and nothing is changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::core::Core;
use super::events::EventKind;
use crate::key::Key;
use crate::time::Timestamp;

/// What stands for every model or for none elsewhere: `LiteLLM`'s words, and those that people try.
const WORDS: [&str; 6] = ["all", "any", "none", "all-proxy-models", "all-team-models", "no-default-models"];

/// Looks through records that are new here.
pub(super) fn tell(core: &Core, keys: &[Arc<Key>], now: Timestamp) {
    let unread = |key: &Key| {
        // Whoever sends the secret of such a key is told that it is unknown.
        if key.secrets().any(|secret| core.peppers.understands(secret.hash())) {
            return None;
        }
        let kids = key.secrets().filter_map(|secret| secret.hash().kid().map(str::to_owned));
        let names = kids.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
        Some(format!("keyed with {names}, and no such pepper is configured here"))
    };
    let word = |key: &Key| {
        let (allowed, denied) = (key.models().allowed(), key.models().denied());
        let lists = allowed.map(|entry| ("allowed", entry)).chain(denied.map(|entry| ("denied", entry)));
        let (list, word) = lists.into_iter().find(|(_, entry)| WORDS.contains(entry))?;
        Some(format!("{list}_models: {word} is the name of one model; * stands for every one"))
    };
    tell_of(core, keys, now, EventKind::KeyUnreadable, unread);
    tell_of(core, keys, now, EventKind::ModelWord, word);
}

// The first of them, and how many more there are: a million may have come at once.
fn tell_of(
    core: &Core,
    keys: &[Arc<Key>],
    now: Timestamp,
    kind: EventKind,
    doubt: impl Fn(&Key) -> Option<String>,
) {
    let mut doubtful = keys.iter().filter_map(|key| Some((key, doubt(key)?)));
    let Some((key, note)) = doubtful.next() else { return };
    let others = match doubtful.count() {
        0 => String::new(),
        others => format!("; the same of {others} more"),
    };
    core.events.tell(now, kind, Some(key.id()), note + &others);
}
