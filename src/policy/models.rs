//! Which models a key may use.

use std::fmt;

use hashbrown::HashSet;

use super::glob::Glob;
use super::model_index::ModelIndex;
use super::pattern::{ModelPattern, is_well_formed};

// Up to this many entries a run of comparisons over one block is faster than hashing, and far smaller.
const FEW: usize = 8;
/// How many entries are looked through for one that was nearly meant.
const LOOKED_THROUGH: usize = 256;
// In the first byte of the compact form; the other bits count the allowed entries.
const RESTRICTED: u8 = 0x80;

/// The allow and deny lists of a key.
///
/// An empty allow list, or `*` in it, is every model. What is denied stays denied whatever the allow list says.
/// A key with either list is restricted: it refuses a request that names no model, or none that could be one.
#[derive(Clone)]
pub struct ModelRules(Repr);

// Most keys name two or three models, and a million keys are kept: those cost one pointer and one small block.
#[derive(Clone)]
enum Repr {
    // A first byte of `RESTRICTED` and the number of allowed entries, then length and text of each, the allowed
    // ones first. Empty when there are no lists.
    Few(Box<[u8]>),
    Many(Box<Many>),
}

#[derive(Clone)]
struct Many {
    restricted: bool,
    allowed: ModelIndex,
    denied: ModelIndex,
}

impl ModelRules {
    /// The longest list that a key's record may hold.
    pub const MAX_ENTRIES: usize = 10_000;

    /// Every model.
    pub fn any() -> Self {
        Self(Repr::Few(Box::default()))
    }

    /// Allows what `allowed` lists (everything, if it lists nothing) but for what `denied` lists. An entry that
    /// repeats an earlier one is dropped.
    pub fn new(
        allowed: impl IntoIterator<Item = ModelPattern>,
        denied: impl IntoIterator<Item = ModelPattern>,
    ) -> Self {
        let (allowed, denied) = (distinct(allowed), distinct(denied));
        let any = allowed.is_empty() || allowed.iter().any(|entry| &**entry == "*");
        let restricted = !any || !denied.is_empty();
        compact(restricted, &allowed, &denied).unwrap_or_else(|| {
            let (allowed, denied) = (ModelIndex::new(allowed), ModelIndex::new(denied));
            Self(Repr::Many(Box::new(Many { restricted, allowed, denied })))
        })
    }

    /// Whether some model, or a request without one, is refused.
    pub fn is_restricted(&self) -> bool {
        match &self.0 {
            Repr::Few(block) => block.first().is_some_and(|head| head & RESTRICTED != 0),
            Repr::Many(many) => many.restricted,
        }
    }

    /// Whether the allow list lets every model through, before any are denied.
    pub fn allows_all(&self) -> bool {
        let mut allowed = self.allowed().peekable();
        allowed.peek().is_none() || allowed.any(|entry| entry == "*")
    }

    /// Whether a request for `model` may pass.
    pub fn permits(&self, model: &str) -> bool {
        if !self.is_restricted() {
            return true;
        }
        is_well_formed(model) && self.admits(Glob::Exact(model.as_bytes()))
    }

    /// The entry that would let `model` pass if it were written in another case, where these rules refuse it: what whoever
    /// asks for it probably means. Of a long list the first 256 are looked through.
    pub fn nearly_permits(&self, model: &str) -> Option<&str> {
        let is_meant = |entry: &&str| {
            let start = entry.strip_suffix('*').unwrap_or(entry);
            let (Some(head), Some(rest)) = (model.get(..start.len()), model.get(start.len()..)) else {
                return false;
            };
            head.eq_ignore_ascii_case(start) && head != start && self.permits(&format!("{start}{rest}"))
        };
        self.allowed().take(LOOKED_THROUGH).find(is_meant)
    }

    /// The entries of the allow list, in the order given.
    pub fn allowed(&self) -> impl Iterator<Item = &str> {
        self.entries(false)
    }

    /// The entries of the deny list, in the order given.
    pub fn denied(&self) -> impl Iterator<Item = &str> {
        self.entries(true)
    }

    /// Whether a request that these rules refuse could pass under `new`.
    ///
    /// Exact, but for one corner: a prefix so long that only a handful of names fit behind it counts as open even
    /// when each of those names is listed on its own.
    pub fn is_widened_by(&self, new: &Self) -> bool {
        if !self.is_restricted() {
            return false;
        }
        // What is restricted refuses a request that names no model.
        !new.is_restricted() || self.probes(new).any(|probe| new.admits(probe) && !self.admits(probe))
    }

    fn admits(&self, of: Glob<'_>) -> bool {
        match &self.0 {
            Repr::Few(block) => {
                let Some((&head, mut rest)) = block.split_first() else { return true };
                let listed = head & !RESTRICTED;
                let mut allowed = listed == 0;
                let mut position = 0;
                while let Some((entry, tail)) = next_entry(rest) {
                    if Glob::new(entry).admits(of) {
                        if position >= listed {
                            return false;
                        }
                        allowed = true;
                    }
                    position = position.saturating_add(1);
                    rest = tail;
                }
                allowed
            }
            Repr::Many(many) => {
                !many.denied.admits(of) && (many.allowed.entries().is_empty() || many.allowed.admits(of))
            }
        }
    }

    // Texts that between them meet every combination of these patterns that any text can meet (see `Glob::admits`);
    // the last stands for all that no pattern mentions.
    fn probes<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Glob<'a>> {
        let listed = [self, other].into_iter().flat_map(|rules| rules.allowed().chain(rules.denied()));
        listed.map(|entry| Glob::new(entry.as_bytes())).chain([Glob::Prefix(b"")])
    }

    fn entries(&self, denied: bool) -> Entries<'_> {
        match &self.0 {
            Repr::Many(many) if denied => Entries::Many(many.denied.entries().iter()),
            Repr::Many(many) => Entries::Many(many.allowed.entries().iter()),
            Repr::Few(block) => {
                let (&head, rest) = block.split_first().unwrap_or((&0, &[]));
                let listed = usize::from(head & !RESTRICTED);
                if denied {
                    let rest = (0..listed).try_fold(rest, |rest, _| next_entry(rest).map(|(_, tail)| tail));
                    Entries::Few { rest: rest.unwrap_or_default(), left: FEW }
                } else {
                    Entries::Few { rest, left: listed }
                }
            }
        }
    }
}

impl Default for ModelRules {
    fn default() -> Self {
        Self::any()
    }
}

impl PartialEq for ModelRules {
    fn eq(&self, other: &Self) -> bool {
        self.allowed().eq(other.allowed()) && self.denied().eq(other.denied())
    }
}

impl Eq for ModelRules {}

impl fmt::Debug for ModelRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (allowed, denied): (Vec<_>, Vec<_>) = (self.allowed().collect(), self.denied().collect());
        f.debug_struct("ModelRules").field("allowed", &allowed).field("denied", &denied).finish()
    }
}

enum Entries<'a> {
    Few { rest: &'a [u8], left: usize },
    Many(std::slice::Iter<'a, Box<str>>),
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        match self {
            Self::Many(entries) => entries.next().map(|entry| &**entry),
            Self::Few { rest, left } => {
                *left = left.checked_sub(1)?;
                let (entry, tail) = next_entry(rest)?;
                *rest = tail;
                str::from_utf8(entry).ok()
            }
        }
    }
}

fn distinct(entries: impl IntoIterator<Item = ModelPattern>) -> Box<[Box<str>]> {
    let entries = entries.into_iter().map(ModelPattern::into_text);
    let mut distinct: Vec<Box<str>> = Vec::with_capacity(entries.size_hint().0);
    let mut seen = HashSet::new();
    for entry in entries {
        // A short list is compared, since hashing it would cost more.
        if distinct.len() == FEW {
            seen.extend(distinct.iter().cloned());
        }
        let new = if distinct.len() < FEW { !distinct.contains(&entry) } else { seen.insert(entry.clone()) };
        if new {
            distinct.push(entry);
        }
    }
    distinct.into()
}

fn compact(restricted: bool, allowed: &[Box<str>], denied: &[Box<str>]) -> Option<ModelRules> {
    if allowed.len().saturating_add(denied.len()) > FEW {
        return None;
    }
    if allowed.is_empty() && denied.is_empty() {
        return Some(ModelRules::any());
    }
    let texts = allowed.iter().chain(denied);
    // Exact, since shrinking a block frees nothing with most allocators.
    let size = texts.clone().fold(1_usize, |size, entry| size.saturating_add(1).saturating_add(entry.len()));
    let mut block = Vec::with_capacity(size);
    block.push(u8::try_from(allowed.len()).ok()? | if restricted { RESTRICTED } else { 0 });
    for entry in texts {
        block.push(u8::try_from(entry.len()).ok()?);
        block.extend_from_slice(entry.as_bytes());
    }
    Some(ModelRules(Repr::Few(block.into_boxed_slice())))
}

fn next_entry(block: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = block.split_first()?;
    rest.split_at_checked(usize::from(len))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(allowed: &[&str], denied: &[&str]) -> ModelRules {
        let parse =
            |list: &[&str]| list.iter().map(|text| ModelPattern::parse(text).unwrap()).collect::<Vec<_>>();
        ModelRules::new(parse(allowed), parse(denied))
    }

    #[test]
    fn a_key_with_two_models_costs_sixteen_bytes_and_one_block() {
        assert_eq!(size_of::<ModelRules>(), 16);
        let Repr::Few(block) = rules(&["gpt-4", "gpt-3.5-turbo"], &[]).0 else { panic!("not compact") };
        assert_eq!(block.len(), 21);
    }

    #[test]
    fn an_empty_list_is_every_model() {
        for rules in [ModelRules::any(), rules(&[], &[]), rules(&["*"], &[]), rules(&["gpt-4", "*"], &[])] {
            assert!(!rules.is_restricted());
            assert!(rules.permits("gpt-4") && rules.permits("anything at all"));
        }
    }

    #[test]
    fn a_name_matches_byte_for_byte() {
        let rules = rules(&["gpt-4"], &[]);
        assert!(rules.permits("gpt-4"));
        for model in ["GPT-4", "gpt-4 ", "gpt-4-0613", "gpt-", "", "gpt‐4", "gpt-4\n", "gpt-4\0", "g*"] {
            assert!(!rules.permits(model), "{model:?}");
        }
    }

    #[test]
    fn a_prefix_ends_where_it_says() {
        let rules = rules(&["gpt-3.5*", "openai/*", "bedrock/*"], &[]);
        for model in ["gpt-3.5-turbo", "openai/gpt-4", "openai/a/b"] {
            assert!(rules.permits(model), "{model:?}");
        }
        for model in ["gpt-3X5", "gpt-3.5", "openai/", "openai/x\n", "openai/x y", "bedrockz/x"] {
            assert!(!rules.permits(model), "{model:?}");
        }
    }

    #[test]
    fn deny_wins() {
        let rules = rules(&["gpt-4*", "gpt-4-32k"], &["gpt-4-32k", "gpt-4.5*"]);
        assert!(rules.permits("gpt-4o"));
        assert!(!rules.permits("gpt-4-32k") && !rules.permits("gpt-4.5-preview"));
        let nothing = ModelRules::new([], [ModelPattern::parse("*").unwrap()]);
        assert!(nothing.is_restricted() && !nothing.permits("gpt-4"));
    }

    #[test]
    fn what_was_nearly_meant() {
        let rules = rules(&["gpt-4", "o1", "Qwen/*", "o3*"], &["o3-pro"]);
        for (model, meant) in [
            ("GPT-4", Some("gpt-4")),
            ("Gpt-4", Some("gpt-4")),
            ("qwen/Qwen3", Some("Qwen/*")),
            ("O3-mini", Some("o3*")),
            ("O3-pro", None),
            ("GPT-4o", None),
            ("qwen/", None),
            ("gpt-4 ", None),
            ("GPT-4\n", None),
            ("gpt-4", None),
            ("", None),
            ("gpt‐4", None),
        ] {
            assert_eq!(rules.nearly_permits(model), meant, "{model:?}");
        }
        assert_eq!(ModelRules::any().nearly_permits("GPT-4"), None);
    }

    #[test]
    fn order_is_kept_and_repeats_are_dropped() {
        let rules = rules(&["b", "a", "b"], &["d", "c"]);
        assert_eq!(rules.allowed().collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(rules.denied().collect::<Vec<_>>(), ["d", "c"]);
    }

    #[test]
    fn ten_thousand_names_and_prefixes_are_searched_alike() {
        let names: Vec<String> =
            (0..5_000).flat_map(|n| [format!("vendor/model-{n}"), format!("p{n}/*")]).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rules = rules(&names, &["p7/secret*"]);
        assert!(rules.permits("vendor/model-4999") && rules.permits("p4999/x") && rules.permits("p7/open"));
        assert!(
            !rules.permits("vendor/model-5000") && !rules.permits("p4999/") && !rules.permits("p7/secret1")
        );
        assert!(rules.allowed().eq(names));
    }

    #[test]
    fn what_widens() {
        for (old, new, widens) in [
            ((&["a"][..], &[][..]), (&["a", "b"][..], &[][..]), true),
            ((&["a", "b"], &[]), (&["a"], &[]), false),
            ((&["a*"], &[]), (&["ab", "ac*"], &[]), false),
            ((&["a*"], &[]), (&["a"], &[]), true),
            ((&["a*"], &["ab"]), (&["a*"], &["a*"]), false),
            ((&["a"], &["b"]), (&["a"], &[]), false),
            ((&["a*"], &["ab"]), (&["a*"], &[]), true),
            ((&["a*"], &["ab"]), (&["ab"], &["ab"]), false),
            ((&["a"], &[]), (&[], &[]), true),
            ((&["a"], &[]), (&["*"], &[]), true),
            ((&["*"], &[]), (&[], &[]), false),
            ((&[], &["a"]), (&[], &[]), true),
            ((&[], &[]), (&["a"], &[]), false),
            ((&[], &["a"]), (&["a", "b"], &["a"]), false),
            ((&[], &["a"]), (&["a", "b"], &[]), true),
        ] {
            let (before, after) = (rules(old.0, old.1), rules(new.0, new.1));
            assert_eq!(before.is_widened_by(&after), widens, "{before:?} -> {after:?}");
        }
    }

    // Every text of one to four of these letters; the patterns below use only the first two, so that the last
    // stands for whatever no pattern mentions.
    fn universe() -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut all = Vec::new();
        for _ in 0..4 {
            texts = texts
                .iter()
                .flat_map(|text| ["a", "b", "z"].map(|letter| format!("{text}{letter}")))
                .collect();
            all.extend(texts.iter().cloned());
        }
        all
    }

    fn naive(allowed: &[String], denied: &[String], model: &str) -> bool {
        let hit = |list: &[String]| {
            list.iter().any(|entry| match entry.strip_suffix('*') {
                Some(start) => model.len() > start.len() && model.starts_with(start),
                None => entry == model,
            })
        };
        (allowed.is_empty() || hit(allowed)) && !hit(denied)
    }

    fn list() -> impl Strategy<Value = Vec<String>> {
        // Both sides of the line between the compact and the indexed form.
        prop_oneof![
            proptest::collection::vec("[ab]{1,3}|[ab]{0,2}\\*", 0..4),
            proptest::collection::vec("[ab]{1,3}|[ab]{0,2}\\*", 8..14),
        ]
    }

    fn of(allowed: &[String], denied: &[String]) -> ModelRules {
        let parse =
            |list: &[String]| list.iter().map(|text| ModelPattern::parse(text).unwrap()).collect::<Vec<_>>();
        ModelRules::new(parse(allowed), parse(denied))
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_obvious(allowed in list(), denied in list()) {
            let rules = of(&allowed, &denied);
            for model in universe() {
                prop_assert_eq!(rules.permits(&model), naive(&allowed, &denied, &model), "{}", model);
            }
        }

        #[test]
        fn widening_agrees_with_trying_every_text(a in list(), b in list(), c in list(), d in list()) {
            let (old, new) = (of(&a, &b), of(&c, &d));
            let some_text = universe().iter().any(|model| new.permits(model) && !old.permits(model));
            let silence = old.is_restricted() && !new.is_restricted();
            prop_assert_eq!(old.is_widened_by(&new), some_text || silence);
        }

        #[test]
        fn what_passes_could_be_a_name_and_is_listed(model in "a?\\PC{0,40}") {
            let (allowed, denied) = (["a*".to_owned()], ["ab*".to_owned()]);
            let passes = is_well_formed(&model) && naive(&allowed, &denied, &model);
            prop_assert_eq!(of(&allowed, &denied).permits(&model), passes);
            prop_assert!(of(&[], &[]).permits(&model));
        }
    }
}
