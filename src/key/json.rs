//! JSON text to [`Value`]s, exactly and within bounds.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::faults::{Faults, InvalidRecord, Path, shortened};
use super::value::{DEEPEST, Value};

/// The longest record: ten thousand models of 256 bytes each, and room for the rest.
const LONGEST: usize = 8 << 20;

/// The members of an object, in order.
pub(super) type Members<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// Reads one JSON object, a record.
pub(super) fn parse_object(json: &[u8]) -> Result<Members<'_>, InvalidRecord> {
    parse_object_within(json, LONGEST)
}

pub(super) fn larger_than(longest: usize) -> InvalidRecord {
    InvalidRecord::new("", format!("is larger than {} MiB", longest >> 20))
}

/// Reads one JSON object of at most so many bytes.
pub(super) fn parse_object_within(json: &[u8], longest: usize) -> Result<Members<'_>, InvalidRecord> {
    let refused = |message: &str| Err(InvalidRecord::new("", message));
    if json.len() > longest {
        return Err(larger_than(longest));
    }
    let Ok(text) = str::from_utf8(json) else { return refused("is not UTF-8") };
    // What editors and shells make of a file, which the parser tells in riddles.
    if text.starts_with('\u{feff}') {
        return refused("begins with a byte order mark: save it without");
    }
    if text.trim_ascii().is_empty() {
        return refused("is empty");
    }
    let mut faults = Faults::default();
    match serde_json::from_str(text) {
        Ok(RawMembers(members)) => {
            let members = read_members(members, &Path::Root, DEEPEST, &mut faults);
            faults.finish(members)
        }
        Err(_) => Err(not_an_object(text)),
    }
}

// Its own pass, because the parser's word for a wrong type repeats the value, and that may be a secret.
fn not_an_object(text: &str) -> InvalidRecord {
    let message = match serde_json::from_str::<&RawValue>(text) {
        Err(error) => format!("is not JSON: {error}"),
        Ok(raw) => {
            let mut faults = Faults::default();
            match read(raw, &Path::Root, DEEPEST, &mut faults) {
                Value::Object(_) => "has a member name that is not valid text".to_owned(),
                other => format!("must be an object, not {}", other.kind()),
            }
        }
    };
    InvalidRecord::new("", message)
}

// `deeper` bounds the recursion: how many levels may still follow.
fn read<'a>(raw: &'a RawValue, at: &Path<'_>, deeper: usize, faults: &mut Faults) -> Value<'a> {
    let text = raw.get();
    let (first, deeper) = (text.as_bytes().first(), deeper.checked_sub(1));
    match (first, deeper) {
        (Some(b'n'), _) => Value::Null,
        (Some(b't'), _) => Value::Bool(true),
        (Some(b'f'), _) => Value::Bool(false),
        (Some(b'"'), _) => read_text(text, at, faults),
        (Some(b'[' | b'{'), None) => {
            faults.add(at, format_args!("nests more than {DEEPEST} deep"));
            Value::Null
        }
        (Some(b'['), Some(deeper)) => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            let items = items.into_iter().enumerate();
            let items = items.map(|(position, item)| read(item, &Path::Item(at, position), deeper, faults));
            Value::List(items.collect())
        }
        (Some(b'{'), Some(deeper)) => {
            let RawMembers(members) = serde_json::from_str(text).unwrap_or_else(|_| {
                faults.add(at, "has a member name that is not valid text");
                RawMembers::default()
            });
            Value::Object(read_members(members, at, deeper, faults))
        }
        _ => Value::Number(Cow::Borrowed(text)),
    }
}

fn read_members<'a>(
    members: Vec<(Name<'a>, &'a RawValue)>,
    at: &Path<'_>,
    deeper: usize,
    faults: &mut Faults,
) -> Members<'a> {
    refuse_repeats(&members, at, faults);
    let members = members.into_iter().map(|(Name(name), value)| {
        let value = read(value, &Path::Member(at, &name), deeper, faults);
        (name, value)
    });
    members.collect()
}

fn read_text<'a>(text: &'a str, at: &Path<'_>, faults: &mut Faults) -> Value<'a> {
    if let Some(plain) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        && !plain.contains('\\')
    {
        return Value::Text(Cow::Borrowed(plain));
    }
    Value::Text(Cow::Owned(serde_json::from_str(text).unwrap_or_else(|_| {
        faults.add(at, "has an escape that stands for no character");
        String::new()
    })))
}

fn refuse_repeats(members: &[(Name<'_>, &RawValue)], at: &Path<'_>, faults: &mut Faults) {
    let mut names: Vec<&str> = members.iter().map(|(Name(name), _)| &**name).collect();
    names.sort_unstable();
    for name in
        names.windows(2).filter_map(|pair| if pair.first() == pair.last() { pair.first() } else { None })
    {
        faults.add(at, format_args!("has two members named `{}`", shortened(name)));
    }
}

#[derive(Default)]
struct RawMembers<'a>(Vec<(Name<'a>, &'a RawValue)>);

struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for RawMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = RawMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawMembers<'de>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RawMembers(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Reader)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn errors(json: &str) -> String {
        parse_object(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn numbers_stay_text() {
        let members =
            parse_object(br#"{"a": 50.00, "b":1e400 ,"c":-0, "d" : 123456789012345678901234567890}"#)
                .unwrap();
        let numbers: Vec<_> = members.into_iter().map(|(_, value)| value).collect();
        let text = ["50.00", "1e400", "-0", "123456789012345678901234567890"];
        assert_eq!(numbers, text.map(|text| Value::Number(text.into())));
    }

    #[test]
    fn text_and_names_are_decoded() {
        let members =
            parse_object("{\"n\\u0061me\": \"a\\n\\u00e9\", \"x\": [null, true, {\"y\": false}]}".as_bytes());
        let inner = Value::Object(vec![("y".into(), Value::Bool(false))]);
        let list = Value::List(vec![Value::Null, Value::Bool(true), inner]);
        assert_eq!(members.unwrap(), [("name".into(), Value::from("a\né")), ("x".into(), list)]);
    }

    #[test]
    fn a_repeated_member_is_refused_wherever_it_is() {
        assert_eq!(errors(r#"{"a":1,"b":2,"a":3}"#), "has two members named `a`");
        assert_eq!(errors(r#"{"m":[{"a":1,"\u0061":3}]}"#), "/m/0: has two members named `a`");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for json in [
            "",
            "[]",
            "1",
            "null",
            "\"a\"",
            "{",
            "{} {}",
            "{\"a\":NaN}",
            "{\"a\":01}",
            "{'a':1}",
            "{\"a\":1,}",
        ] {
            assert!(parse_object(json.as_bytes()).is_err(), "{json}");
        }
        assert!(parse_object(b"{\"a\":\"\xff\"}").is_err());
        assert_eq!(errors(r#"{"a":"\ud800"}"#), "/a: has an escape that stands for no character");
    }

    #[test]
    fn deep_nesting_is_refused_before_the_stack_is_gone() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(errors(&deep), format!("/a{}: nests more than 16 deep", "/0".repeat(16)));
        assert!(parse_object(br#"{"a":"[[[[[[[[[[[[[[[[[[[[[[\"[["}"#).is_ok());
    }

    proptest! {
        #[test]
        fn an_object_that_is_read_is_written_as_one_that_reads_the_same(
            text in "[\\[\\]{}\":,\\\\a0\\-.eu \n]{0,60}|\\{\"a\":[\\[\\]{}\":,a0\\-. ]{1,6}\\}",
        ) {
            if let Ok(members) = parse_object(text.as_bytes()) {
                let (object, mut written) = (Value::Object(members), String::new());
                // The object itself, and what stands in the deepest list.
                prop_assert!(object.write_json(&mut written, DEEPEST + 2).is_some());
                prop_assert_eq!(parse_object(written.as_bytes()).map(Value::Object), Ok(object));
            }
        }
    }
}
