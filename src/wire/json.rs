//! Reading a few members out of JSON that others wrote: in one pass, in place, without recursion, whatever its size
//! and depth. What is not asked for is skipped, not built.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The largest integer that every reader of JSON agrees on.
pub(super) const LARGEST_COUNT: u64 = (1 << 53) - 1;

/// What is wrong with a text that should be a JSON object or array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotThat;

/// The members of an object that were asked for, each as its JSON text; a member that is `null` is absent.
pub(super) struct Picked<'a, const N: usize> {
    pub(super) members: [Option<&'a str>; N],
    /// The first of the names that was there twice. The last one counts.
    pub(super) twice: Option<&'static str>,
    /// The first of the names that was there in another case, which some servers take for the name itself.
    pub(super) lookalike: Option<&'static str>,
    /// There is no member at all.
    pub(super) empty: bool,
}

/// Reads the members called `names` of the object `text`.
pub(super) fn pick<'a, const N: usize>(
    text: &'a str,
    names: &[&'static str; N],
) -> Result<Picked<'a, N>, NotThat> {
    let mut json = serde_json::Deserializer::from_str(text);
    let picked = json.deserialize_map(ObjectVisitor { names }).map_err(|_| NotThat)?;
    json.end().map_err(|_| NotThat)?;
    Ok(picked)
}

/// Calls `visit` with the JSON text of every element of the array `text`, until it fails.
pub(super) fn each<'a, E>(text: &'a str, visit: impl FnMut(&'a str) -> Result<(), E>) -> Result<(), E>
where
    E: From<NotThat>,
{
    each_as(text, AsText, visit)
}

/// Calls `visit` with the members called `names` of every element of the array `text`, all of them objects, until it fails.
pub(super) fn each_object<'a, E, const N: usize>(
    text: &'a str,
    names: &[&'static str; N],
    visit: impl FnMut(Picked<'a, N>) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<NotThat>,
{
    each_as(text, ObjectVisitor { names }, visit)
}

fn each_as<'a, S, E>(
    text: &'a str,
    element: S,
    mut visit: impl FnMut(S::Value) -> Result<(), E>,
) -> Result<(), E>
where
    S: DeserializeSeed<'a> + Copy,
    E: From<NotThat>,
{
    let mut fault = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let visit = |element| visit(element).map_err(|error| fault = Some(error));
    let read = json.deserialize_seq(ArrayVisitor { element, visit });
    match fault {
        Some(error) => Err(error),
        None => read.and_then(|()| json.end()).map_err(|_| NotThat.into()),
    }
}

/// Calls `visit` with every member of the object `text`, in order.
pub(super) fn members<'a>(text: &'a str, visit: impl FnMut(&str, &'a str)) -> Result<(), NotThat> {
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(MembersVisitor { visit }).map_err(|_| NotThat)?;
    json.end().map_err(|_| NotThat)
}

/// The text of a JSON string; `None` for any other value and for a string that is no Unicode text.
pub(super) fn string(text: &str) -> Option<String> {
    serde_json::from_str(text).ok()
}

/// A plain integer from 0 to [`LARGEST_COUNT`]; `None` for any other value.
pub(super) fn count(text: &str) -> Option<u64> {
    // Of JSON's numbers, exactly the plain integers are `u64`s: `1.0`, `1e3` and `-1` are not.
    text.parse().ok().filter(|&number| number <= LARGEST_COUNT)
}

pub(super) fn is_string(text: &str) -> bool {
    text.starts_with('"')
}

pub(super) fn is_object(text: &str) -> bool {
    text.starts_with('{')
}

pub(super) fn is_array(text: &str) -> bool {
    text.starts_with('[')
}

pub(super) fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// How much text there is in a JSON value, in bytes of UTF-8 once escapes are undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Extent {
    /// The strings that are values.
    pub(super) strings: u64,
    /// Everything: values, names of members, numbers and the marks between them, without white space.
    pub(super) all: u64,
    /// How deep arrays and objects are nested.
    pub(super) depth: u64,
}

/// Measures the valid JSON `text` in one pass.
pub(super) fn extent(text: &str) -> Extent {
    let mut extent = Extent::default();
    let mut depth = 0_u64;
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => {
                let (length, after) = string_length(after);
                extent.all = extent.all.saturating_add(length).saturating_add(2);
                rest = after.trim_ascii_start();
                if rest.first() != Some(&b':') {
                    extent.strings = extent.strings.saturating_add(length);
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                extent.all = extent.all.saturating_add(1);
                depth = match byte {
                    b'{' | b'[' => depth.saturating_add(1),
                    b'}' | b']' => depth.saturating_sub(1),
                    _ => depth,
                };
                extent.depth = extent.depth.max(depth);
            }
        }
    }
    extent
}

// The bytes of a string whose opening quote was taken, and what comes after its closing quote.
fn string_length(text: &[u8]) -> (u64, &[u8]) {
    let (mut length, mut rest) = (0_u64, text);
    // Prompts are long, and mostly plain text.
    while let Some((plain, mark, after)) = split_at_mark(rest) {
        length = length.saturating_add(plain);
        rest = match (mark, after) {
            (b'"', after) => return (length, after),
            (_, [b'u', a, b, c, _, after @ ..]) => {
                let decoded = match (a, b, c) {
                    (b'0', b'0', b'0'..=b'7') => 1,
                    (b'0', b'0'..=b'7', _) => 2,
                    // Half of a surrogate pair is two bytes of four, but three if the other half is missing.
                    _ => 3,
                };
                length = length.saturating_add(decoded);
                after
            }
            (_, [_, after @ ..]) => {
                length = length.saturating_add(1);
                after
            }
            (_, []) => &[],
        };
    }
    (length.saturating_add(count_of(rest)), &[])
}

// How many bytes come before the next quote or backslash, which it is, and what comes after it.
fn split_at_mark(text: &[u8]) -> Option<(u64, u8, &[u8])> {
    let (plain, rest) = text.split_at_checked(memchr::memchr2(b'"', b'\\', text)?)?;
    let (&mark, after) = rest.split_first()?;
    Some((count_of(plain), mark, after))
}

fn count_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[derive(Clone, Copy)]
struct ObjectVisitor<'n, const N: usize> {
    names: &'n [&'static str; N],
}

impl<'de, const N: usize> DeserializeSeed<'de> for ObjectVisitor<'_, N> {
    type Value = Picked<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for ObjectVisitor<'_, N> {
    type Value = Picked<'de, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = Picked { members: [None; N], twice: None, lookalike: None, empty: true };
        let mut seen = [false; N];
        while let Some(name) = map.next_key_seed(NameSeed { names: self.names })? {
            picked.empty = false;
            let slots = match name {
                Name::Exact(at) => picked.members.get_mut(at).zip(seen.get_mut(at)).map(|slots| (at, slots)),
                Name::Lookalike(at) => {
                    picked.lookalike = picked.lookalike.or(self.names.get(at).copied());
                    None
                }
                Name::Other => None,
            };
            let Some((at, (member, seen))) = slots else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value::<&'de RawValue>()?.get();
            if *seen {
                picked.twice = picked.twice.or(self.names.get(at).copied());
            }
            *seen = true;
            *member = (value != "null").then_some(value);
        }
        Ok(picked)
    }
}

enum Name {
    Exact(usize),
    Lookalike(usize),
    Other,
}

struct NameSeed<'n, const N: usize> {
    names: &'n [&'static str; N],
}

impl<'de, const N: usize> DeserializeSeed<'de> for NameSeed<'_, N> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for NameSeed<'_, N> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        let exact = self.names.iter().position(|wanted| *wanted == name);
        let alike = || self.names.iter().position(|wanted| same_folded(wanted, name));
        Ok(match exact {
            Some(at) => Name::Exact(at),
            None => alike().map_or(Name::Other, Name::Lookalike),
        })
    }
}

// Servers written in Go match names as Unicode folds them, and two letters outside ASCII fold into it.
fn same_folded(wanted: &str, name: &str) -> bool {
    let folded = name.chars().map(|char| match char {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(wanted.chars())
}

struct ArrayVisitor<S, F> {
    element: S,
    visit: F,
}

impl<'de, S, F> Visitor<'de> for ArrayVisitor<S, F>
where
    S: DeserializeSeed<'de> + Copy,
    F: FnMut(S::Value) -> Result<(), ()>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element_seed(self.element)? {
            (self.visit)(element).map_err(|()| A::Error::custom("stopped"))?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct AsText;

impl<'de> DeserializeSeed<'de> for AsText {
    type Value = &'de str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'de str, D::Error> {
        <&RawValue>::deserialize(deserializer).map(RawValue::get)
    }
}

struct MembersVisitor<F> {
    visit: F,
}

impl<'de, F: FnMut(&str, &'de str)> Visitor<'de> for MembersVisitor<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            (self.visit)(&name, map.next_value::<&'de RawValue>()?.get());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_are_found_however_their_names_are_spelled() {
        let picked = pick(r#" {"a":1, "\u0062" : [2,{}], "c":null, "d":4} "#, &["b", "a", "c"]).unwrap();
        assert_eq!(picked.members, [Some("[2,{}]"), Some("1"), None]);
        assert!(picked.twice.is_none() && picked.lookalike.is_none() && !picked.empty);
    }

    #[test]
    fn a_second_or_similar_name_does_not_go_unseen() {
        let picked = pick(r#"{"model":"a","mod\u0065l":"b"}"#, &["model"]).unwrap();
        assert_eq!((picked.members, picked.twice), ([Some("\"b\"")], Some("model")));
        for name in ["Model", "MODEL"] {
            let body = format!(r#"{{"model":"a","{name}":"b"}}"#);
            assert_eq!(pick(&body, &["model"]).unwrap().lookalike, Some("model"), "{name}");
        }
        assert_eq!(pick("{\"\u{17f}tream\":true}", &["stream"]).unwrap().lookalike, Some("stream"));
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for text in ["", "[]", "1", "{", "{}x", r#"{"a":}"#, r#"{"a":1,}"#, "{\"a\":\"\n\"}", "nul"] {
            assert!(pick(text, &["a"]).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(pick(&deep, &["b"]).unwrap().members, [None]);
        assert_eq!(extent(&deep).depth, 200_001);
    }

    #[test]
    fn escapes_count_as_what_they_stand_for() {
        for (text, strings) in [
            (r#""abc""#, 3),
            (r#""\n\"\\\u0041\u00e9\u4e2d""#, 9),
            (r#"{"key" : "value", "n": 12}"#, 5),
            (r#"["a", ["b"], {"c":["d"]}]"#, 3),
        ] {
            assert_eq!(extent(text).strings, strings, "{text}");
        }
        assert_eq!(extent(r#"{ "a" : 1 }"#).all, 7);
    }

    proptest! {
        #[test]
        fn no_text_is_longer_than_its_extent(texts: Vec<String>, ascii: bool) {
            let mut json = serde_json::to_string(&texts).unwrap();
            if ascii {
                json = json.encode_utf16().map(|unit| match u8::try_from(unit) {
                    Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
                    _ => format!("\\u{unit:04x}"),
                }).collect();
                prop_assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), texts.clone());
            }
            let length: usize = texts.iter().map(String::len).sum();
            prop_assert!(extent(&json).strings >= u64::try_from(length).unwrap());
            prop_assert!(extent(&json).all <= u64::try_from(json.len()).unwrap());
        }

        #[test]
        fn any_text_is_measured(text: String) {
            let _ = extent(&text);
            let _ = pick(&text, &["a"]);
        }
    }
}
