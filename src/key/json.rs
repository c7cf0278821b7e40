//! JSON text to [`Value`]s, exactly and within bounds.

use std::borrow::Cow;

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

/// Reads one JSON object of at most so many bytes.
pub(super) fn parse_object_within(json: &[u8], longest: usize) -> Result<Members<'_>, InvalidRecord> {
    let refused = |message: &str| Err(InvalidRecord::new("", message));
    if json.len() > longest {
        return refused(&format!("is larger than {} MiB", longest >> 20));
    }
    let Ok(text) = str::from_utf8(json) else { return refused("is not UTF-8") };
    // The parser only says whether it is JSON: its word for a wrong type repeats the value, which may be a secret, and it
    // makes floats of numbers. What follows cuts text that is known to be valid, in one pass: a million records are read.
    if let Err(error) = serde_json::from_str::<&RawValue>(text) {
        return refused(&format!("is not JSON: {error}"));
    }
    let mut faults = Faults::default();
    match Cutter(text).value(&Path::Root, DEEPEST.saturating_add(1), &mut faults) {
        Value::Object(members) => faults.finish(members),
        other => refused(&format!("must be an object, not {}", other.kind())),
    }
}

/// What is left of a text that is valid JSON.
struct Cutter<'a>(&'a str);

impl<'a> Cutter<'a> {
    // `deeper` bounds the recursion: how many levels of lists and objects may still follow.
    fn value(&mut self, at: &Path<'_>, deeper: usize, faults: &mut Faults) -> Value<'a> {
        match (self.next(), deeper.checked_sub(1)) {
            (Some(b'"'), _) => Value::Text(self.text().unwrap_or_else(|| {
                faults.add(at, "has an escape that stands for no character");
                Cow::default()
            })),
            (Some(b'[' | b'{'), None) => {
                faults.add(at, format_args!("nests more than {DEEPEST} deep"));
                self.skip();
                Value::Null
            }
            (Some(b'['), Some(deeper)) => self.list(at, deeper, faults),
            (Some(b'{'), Some(deeper)) => self.object(at, deeper, faults),
            _ => {
                let word = self
                    .take_while(|byte| !matches!(byte, b',' | b']' | b'}') && !byte.is_ascii_whitespace());
                match word {
                    "null" => Value::Null,
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    number => Value::Number(Cow::Borrowed(number)),
                }
            }
        }
    }

    fn list(&mut self, at: &Path<'_>, deeper: usize, faults: &mut Faults) -> Value<'a> {
        self.take(1);
        let mut items = Vec::new();
        while self.goes_on() {
            let item = Path::Item(at, items.len());
            items.push(self.value(&item, deeper, faults));
        }
        Value::List(items)
    }

    fn object(&mut self, at: &Path<'_>, deeper: usize, faults: &mut Faults) -> Value<'a> {
        self.take(1);
        let mut members = Members::with_capacity(16);
        while self.goes_on() {
            let name = self.text().unwrap_or_else(|| {
                faults.add(at, "has a member name that is not valid text");
                Cow::default()
            });
            // The colon.
            self.next();
            self.take(1);
            let value = self.value(&Path::Member(at, &name), deeper, faults);
            members.push((name, value));
        }
        refuse_repeats(&members, at, faults);
        Value::Object(members)
    }

    // The text of the string that comes next; none if an escape stands for no character.
    fn text(&mut self) -> Option<Cow<'a, str>> {
        let whole = self.0;
        self.take(1);
        let plain = self.take_plain();
        if self.next() == Some(b'"') {
            self.take(1);
            return Some(Cow::Borrowed(plain));
        }
        while self.take(1) == "\\" {
            self.take(1);
            self.take_plain();
        }
        let (quoted, _) = whole.split_at_checked(whole.len().saturating_sub(self.0.len()))?;
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    }

    // Past the value that comes next, however deep it is.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.next() {
            match byte {
                b'"' => drop(self.text()),
                _ => drop(self.take(1)),
            }
            match byte {
                b'[' | b'{' => depth = depth.saturating_add(1),
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    // Whether another item comes before the list or the object ends.
    fn goes_on(&mut self) -> bool {
        if self.next() == Some(b',') {
            self.take(1);
        }
        let ends = matches!(self.next(), None | Some(b']' | b'}'));
        if ends {
            self.take(1);
        }
        !ends
    }

    // The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        self.take_while(|byte| byte.is_ascii_whitespace());
        self.0.bytes().next()
    }

    // What a string holds up to its end or its next escape.
    fn take_plain(&mut self) -> &'a str {
        let end = memchr::memchr2(b'"', b'\\', self.0.as_bytes());
        self.take(end.unwrap_or(self.0.len()))
    }

    fn take_while(&mut self, is_part: impl Fn(u8) -> bool) -> &'a str {
        let end = self.0.bytes().position(|byte| !is_part(byte));
        self.take(end.unwrap_or(self.0.len()))
    }

    fn take(&mut self, count: usize) -> &'a str {
        let (taken, left) = self.0.split_at_checked(count).unwrap_or((self.0, ""));
        self.0 = left;
        taken
    }
}

fn refuse_repeats(members: &Members<'_>, at: &Path<'_>, faults: &mut Faults) {
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    // Their lengths tell most of them apart.
    names.sort_unstable_by_key(|name| (name.len(), *name));
    for name in
        names.windows(2).filter_map(|pair| if pair.first() == pair.last() { pair.first() } else { None })
    {
        faults.add(at, format_args!("has two members named `{}`", shortened(name)));
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
        fn any_text_is_an_object_or_an_error(text in "[\\[\\]{}\":,\\\\a0\\-.eu \n]{0,60}") {
            let _ = parse_object(text.as_bytes());
        }
    }
}
