//! A field's value as the caller gave it, before anybody judged it.

use std::borrow::Cow;
use std::fmt;

use rust_decimal::Decimal;

use crate::Timestamp;
use crate::budget::Money;

/// What can stand in a field: JSON, with numbers kept as the text they were written in.
///
/// A number never passes through a float on its way in, so `50.00`, `"50.00"` and `50` are the same money.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    /// Nothing: no limit, no restriction, the default.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, as decimal text.
    Number(Cow<'a, str>),
    /// Text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Value<'a>>),
    /// Names and their values, in order.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

/// How deep values may nest.
pub(super) const DEEPEST: usize = 16;

impl Value<'_> {
    /// The same value, holding its own text.
    pub fn into_owned(self) -> Value<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(text) => Value::Number(owned(text)),
            Self::Text(text) => Value::Text(owned(text)),
            Self::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
            Self::Object(members) => Value::Object(
                members.into_iter().map(|(name, value)| (owned(name), value.into_owned())).collect(),
            ),
        }
    }

    /// What it is, in the words of an error message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Appends the value as JSON; `None` where it nests too deep or holds a number that JSON cannot write.
    pub(super) fn write_json(&self, out: &mut String, depth: usize) -> Option<()> {
        let deeper = depth.checked_sub(1)?;
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) => {
                serde_json::from_str::<&serde_json::value::RawValue>(text).ok()?;
                out.push_str(text);
            }
            Self::Text(text) => out.push_str(&serde_json::to_string(text).ok()?),
            Self::List(items) => {
                let mut before = '[';
                for item in items {
                    out.push(before);
                    item.write_json(out, deeper)?;
                    before = ',';
                }
                out.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Self::Object(members) => {
                let mut before = '{';
                for (name, value) in members {
                    out.push(before);
                    out.push_str(&serde_json::to_string(name).ok()?);
                    out.push(':');
                    value.write_json(out, deeper)?;
                    before = ',';
                }
                out.push_str(if members.is_empty() { "{}" } else { "}" });
            }
        }
        Some(())
    }
}

/// The kind only: any field may turn out to hold a secret.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value<'_> {
    fn from(text: &str) -> Self {
        Self::Text(Cow::Owned(text.to_owned()))
    }
}

impl From<&String> for Value<'_> {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

macro_rules! from_number {
    ($($number:ty)*) => {$(
        impl From<$number> for Value<'_> {
            fn from(value: $number) -> Self {
                Self::Number(Cow::Owned(value.to_string()))
            }
        }
    )*};
}

from_number!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize Money Decimal);

impl From<Timestamp> for Value<'_> {
    fn from(time: Timestamp) -> Self {
        Self::Text(Cow::Owned(time.to_string()))
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<'a, T: Into<Value<'a>>> From<Vec<T>> for Value<'a> {
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl<'a, T: Into<Value<'a>>, const N: usize> From<[T; N]> for Value<'a> {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<'a, T: Into<Value<'a>>> FromIterator<T> for Value<'a> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &Value<'_>) -> Option<String> {
        let mut out = String::new();
        value.write_json(&mut out, DEEPEST).map(|()| out)
    }

    #[test]
    fn values_are_written_as_they_were_given() {
        let value = Value::Object(vec![
            ("a\"b".into(), Value::from([1, 2])),
            ("n".into(), Value::Number("0.10000000000000000000001".into())),
            ("e".into(), Value::List(vec![])),
            ("o".into(), Value::Object(vec![])),
        ]);
        assert_eq!(json(&value).unwrap(), r#"{"a\"b":[1,2],"n":0.10000000000000000000001,"e":[],"o":{}}"#);
    }

    #[test]
    fn what_json_cannot_write_is_not_written() {
        for text in ["NaN", "inf", "1_0", "", "1,2", "\"1\"x"] {
            assert_eq!(json(&Value::Number(text.into())), None, "{text}");
        }
        let deep = (0..20).fold(Value::Null, |inner, _| Value::List(vec![inner]));
        assert_eq!(json(&deep), None);
    }

    #[test]
    fn debug_says_only_what_kind_it_is() {
        let value = Value::from("en_8f3d4e2a9b1c6d5f7e8a3b4c9d2f1e6a");
        assert_eq!(format!("{value:?}"), "text");
    }
}
