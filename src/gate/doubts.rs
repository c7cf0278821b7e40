//! What an operator probably did not mean: told where it arrives, and nothing is changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::core::Core;
use super::events::EventKind;
use crate::id::KeyId;
use crate::key::Key;
use crate::store::Unreadable;
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

/// Tells which records could not be taken in.
pub(super) fn tell_unreadable(core: &Core, records: &[Unreadable], now: Timestamp) {
    let told = records.iter().map(|Unreadable { id, fault }| {
        (id.as_ref(), format!("the record cannot be read, and its key is unknown here: {fault}"))
    });
    tell_first(core, now, EventKind::KeyUnreadable, told);
}

fn tell_of(
    core: &Core,
    keys: &[Arc<Key>],
    now: Timestamp,
    kind: EventKind,
    doubt: impl Fn(&Key) -> Option<String>,
) {
    tell_first(core, now, kind, keys.iter().filter_map(|key| Some((Some(key.id()), doubt(key)?))));
}

// The first of them, and how many more there are: a million may have come at once.
fn tell_first<'a>(
    core: &Core,
    now: Timestamp,
    kind: EventKind,
    mut doubtful: impl Iterator<Item = (Option<&'a KeyId>, String)>,
) {
    let Some((id, note)) = doubtful.next() else { return };
    let others = match doubtful.count() {
        0 => String::new(),
        others => format!("; the same of {others} more"),
    };
    core.events.tell(now, kind, id, note + &others);
}
