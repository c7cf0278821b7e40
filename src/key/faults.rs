//! What is wrong with a record: all of it at once, each fault with its place.

use std::fmt;

use serde::Serialize;

/// A caller who sends ten thousand bad models learns nothing from the last nine thousand messages.
const MOST: usize = 100;
/// How alike two names are, from 0 to 1, when one was probably meant for the other.
const PROBABLY: f64 = 0.8;
/// Longer names are not repeated: somebody may have pasted a secret where a name belongs.
const LONGEST_NAME: usize = 32;

/// One thing wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where, as a JSON pointer: `/allowed_models/0`. Empty for the record as a whole.
    pub path: String,
    /// What, in words that follow the path: `must not be negative`. Never the value, which may be a secret.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// Everything wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvalidRecord {
    /// The faults, in the order of the record's fields; at most a hundred, and then one that counts the rest.
    pub errors: Vec<Fault>,
}

impl InvalidRecord {
    /// A single fault.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { errors: vec![Fault { path: path.into(), message: message.into() }] }
    }

    /// The same faults in a record that lies at `path` in a larger document.
    pub fn within(mut self, path: &str) -> Self {
        for fault in &mut self.errors {
            fault.path.insert_str(0, path);
        }
        self
    }
}

impl fmt::Display for InvalidRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.errors.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidRecord {}

/// Faults as they are found.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Vec<Fault>,
    more: usize,
}

impl Faults {
    pub(super) fn add(&mut self, at: &Path<'_>, message: impl fmt::Display) {
        if self.found.len() < MOST {
            self.found.push(Fault { path: at.to_string(), message: message.to_string() });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Takes in what is wrong with a part.
    pub(super) fn take(&mut self, part: InvalidRecord) {
        let room = MOST.saturating_sub(self.found.len());
        self.more = self.more.saturating_add(part.errors.len().saturating_sub(room));
        self.found.extend(part.errors.into_iter().take(room));
    }

    /// `value`, unless something was wrong.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, InvalidRecord> {
        if self.found.is_empty() {
            return Ok(value);
        }
        if self.more > 0 {
            let message = format!("and {} more", self.more);
            self.found.push(Fault { path: String::new(), message });
        }
        Err(InvalidRecord { errors: self.found })
    }
}

/// A place in a record, written as a JSON pointer only when there is a fault to report.
#[derive(Debug, Clone, Copy)]
pub(super) enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Item(above, position) => write!(f, "{above}/{position}"),
            Self::Member(above, name) => {
                let name = shortened(name).replace('~', "~0").replace('/', "~1");
                write!(f, "{above}/{name}")
            }
        }
    }
}

/// A name that came from outside, fit to be repeated in a message.
pub(super) fn shortened(name: &str) -> String {
    let plain = name.replace(char::is_control, "?");
    if plain.len() <= LONGEST_NAME { plain } else { plain.chars().take(4).chain(['…']).collect() }
}

/// The one of `names` that is nearest to `name`, and whether it is so near that it was probably meant.
pub(super) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, bool)> {
    // Names longer than any of ours are not worth comparing.
    let name: String = name.chars().take(64).collect::<String>().to_lowercase();
    let names: Vec<&str> = names.into_iter().collect();
    if let Some(meant) = mistyped(&name, &names) {
        return Some((meant, true));
    }
    let score = |known: &str| {
        // `models` is no misspelling of `allowed_models`, and yet it is what was meant.
        let part = name.len() >= 4 && known.contains(&name) || known.len() >= 4 && name.contains(known);
        strsim::jaro_winkler(&name, known).max(if part { PROBABLY } else { 0.0 })
    };
    let scored = names.into_iter().map(|known| (score(&known.to_lowercase()), known));
    // Of equals the first, since fields are ordered with the commoner ones before.
    let best = scored.reduce(|best, next| if next.0.total_cmp(&best.0).is_gt() { next } else { best });
    best.map(|(score, known)| (known, score.total_cmp(&PROBABLY).is_ge()))
}

// The one that `name` is a slip of the hand away from, or two, however it looks. In short names every letter counts.
fn mistyped<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let letters = name.chars().count();
    let slips = names.iter().map(|known| (strsim::damerau_levenshtein(name, &known.to_lowercase()), *known));
    let near = slips.filter(|(slips, _)| matches!((slips, letters), (0, _) | (1, 3..) | (2, 6..)));
    near.min_by_key(|(slips, _)| *slips).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_listed_with_their_place() {
        let mut faults = Faults::default();
        let list = Path::Member(&Path::Root, "allowed_models");
        faults.add(&Path::Item(&list, 3), "must not be blank");
        faults.add(&Path::Member(&Path::Root, "a/b~c"), "unknown field");
        let error = faults.finish(()).unwrap_err().within("/keys/7");
        assert_eq!(
            error.to_string(),
            "/keys/7/allowed_models/3: must not be blank; /keys/7/a~1b~0c: unknown field"
        );
    }

    #[test]
    fn faults_are_bounded() {
        let mut faults = Faults::default();
        (0..10_000).for_each(|_| faults.add(&Path::Root, "bad"));
        let errors = faults.finish(()).unwrap_err().errors;
        assert_eq!((errors.len(), &*errors[100].message), (101, "and 9900 more"));
    }

    #[test]
    fn a_secret_in_place_of_a_name_is_not_repeated() {
        let secret = "en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a";
        assert_eq!(Path::Member(&Path::Root, secret).to_string(), "/en_8…");
    }

    #[test]
    fn nearest_names() {
        let names = ["daily_token_limit", "daily_spend_limit", "monthly_spend_limit", "name"];
        assert_eq!(nearest("daily_limit", names), Some(("daily_spend_limit", true)));
        assert_eq!(nearest("Name", names), Some(("name", true)));
        assert_eq!(nearest("token", names), Some(("daily_token_limit", true)));
        assert_eq!(nearest("daily_spent_limit", names), Some(("daily_spend_limit", true)));
        assert_eq!(nearest("daliy_spend_limti", names), Some(("daily_spend_limit", true)));
        assert!(!nearest("zzz", names).unwrap().1);
        assert!(!nearest("ix", ["id", "name"]).unwrap().1);
    }
}
