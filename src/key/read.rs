//! One value at a time: from what was given to what a field holds, or a fault.

use std::fmt::Display;
use std::str::FromStr;

use super::faults::{Faults, Path};
use super::value::{DEEPEST, Value};
use super::zone::parse_zone;
use crate::budget::{Earlier, Money, Threshold, ThresholdError, Zone};
use crate::policy::{AddressRules, EndpointRules, ModelPattern, ModelPatternError, ModelRules, Purpose};
use crate::text::is_hidden;
use crate::{Timestamp, TimestampError};

/// A billion dollars: past it, somebody counted in cents or in tokens.
const MOST_MONEY_USD: i64 = 1_000_000_000;
/// Beyond 2^53 - 1 a JSON number is no longer the same number to everybody.
const MOST_TOKENS: u64 = 9_007_199_254_740_991;
const MOST_TAGS: usize = 20;
const MOST_METADATA: usize = 100;
const LONGEST_METADATA: usize = 10 * 1024;
const YEAR_2000: Timestamp = Timestamp::from_seconds(946_684_800);
const YEAR_2101: Timestamp = Timestamp::from_seconds(4_133_980_800);

/// Reads the value of one field into what the record holds; a fault if it cannot be.
pub(super) struct Reader<'a> {
    pub(super) value: &'a Value<'a>,
    pub(super) at: Path<'a>,
    pub(super) faults: &'a mut Faults,
}

impl<'a> Reader<'a> {
    pub(super) fn fault<T>(&mut self, message: impl Display) -> Option<T> {
        self.faults.add(&self.at, message);
        None
    }

    fn is_null(&self) -> bool {
        *self.value == Value::Null
    }

    /// What `read` returns, and the default for null. After a fault it is the default too: nothing that was read is
    /// used then.
    pub(super) fn or_default<T: Default>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> T {
        if self.is_null() { T::default() } else { read(self).unwrap_or_default() }
    }

    /// What `read` returns, and nothing for null.
    pub(super) fn or_none<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.is_null() { None } else { read(self) }
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        match self.value {
            Value::Text(text) => Some(text),
            other => self.fault(format_args!("must be text, not {}", other.kind())),
        }
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self) -> Option<T> {
        let text = self.text()?;
        text.parse().map_or_else(|error| self.fault(error), Some)
    }

    /// One of a few words, by the words' own reader.
    pub(super) fn word<T>(&mut self, parse: impl Fn(&str) -> Option<T>, words: &str) -> Option<T> {
        let word = parse(self.text()?);
        if word.is_none() {
            return self.fault(format_args!("must be {words}"));
        }
        word
    }

    pub(super) fn bool(&mut self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(*value),
            other => self.fault(format_args!("must be true or false, not {}", other.kind())),
        }
    }

    pub(super) fn name(&mut self) -> Option<Box<str>> {
        let name = self.text()?.trim();
        if name.is_empty() {
            return self.fault("must not be blank");
        }
        if name.chars().count() > 100 {
            return self.fault("must be at most 100 characters");
        }
        if name.contains(|c: char| c != ' ' && is_hidden(c)) {
            return self.fault("must not contain control or invisible characters");
        }
        Some(name.into())
    }

    pub(super) fn description(&mut self) -> Option<Box<str>> {
        let text = self.text()?;
        if text.chars().count() > 500 {
            return self.fault("must be at most 500 characters");
        }
        if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return self.fault("must not contain control characters");
        }
        Some(text.into())
    }

    pub(super) fn money(&mut self) -> Option<Money> {
        let (Value::Number(text) | Value::Text(text)) = self.value else {
            let kind = self.value.kind();
            return self.fault(format_args!("must be a number of US dollars, not {kind}"));
        };
        if text.starts_with('-') {
            return self.fault("must not be negative");
        }
        match text.parse::<Money>() {
            Ok(money) if money.to_parts() > (MOST_MONEY_USD, 0) => {
                self.fault(format_args!("must be at most {MOST_MONEY_USD} US dollars"))
            }
            Ok(money) => Some(money),
            Err(error) => self.fault(error),
        }
    }

    /// A whole number from 0 to 2^53 - 1, written out.
    pub(super) fn count(&mut self) -> Option<u64> {
        let Value::Number(text) = self.value else {
            let kind = self.value.kind();
            return self.fault(format_args!("must be a whole number, not {kind}"));
        };
        if text.starts_with('-') {
            return self.fault("must not be negative");
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.fault("must be a whole number, written out, such as 500000");
        }
        match text.parse() {
            Ok(count) if count <= MOST_TOKENS => Some(count),
            _ => self.fault(format_args!("must be at most {MOST_TOKENS}")),
        }
    }

    pub(super) fn threshold(&mut self) -> Option<Threshold> {
        match self.value {
            Value::Number(text) | Value::Text(text) => {
                text.parse().map_or_else(|error: ThresholdError| self.fault(error), Some)
            }
            other => self.fault(format_args!("must be a number, not {}", other.kind())),
        }
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        match self.text()?.parse() {
            Ok(time) if (YEAR_2000..YEAR_2101).contains(&time) => Some(time),
            Ok(_) | Err(TimestampError::OutOfRange) => self.fault("must lie between the years 2000 and 2100"),
            Err(error) => self.fault(error),
        }
    }

    pub(super) fn zone(&mut self) -> Option<Zone> {
        let name = self.text()?;
        parse_zone(name).map_or_else(|message| self.fault(message), Some)
    }

    /// The zones before the present one: for days and for months, a list of pairs of a zone and its end.
    pub(super) fn earlier_zones(&mut self) -> Option<Earlier> {
        let spans = |value: &Value<'_>| -> Option<Vec<(Zone, Timestamp)>> {
            let Value::List(items) = value else { return None };
            let span = |item: &Value<'_>| match item {
                Value::List(pair) => match &**pair {
                    [Value::Text(zone), Value::Text(end)] => {
                        Some((Zone::named(zone).ok()?, end.parse().ok()?))
                    }
                    _ => None,
                },
                _ => None,
            };
            items.iter().map(span).collect()
        };
        let earlier = match self.value {
            Value::List(kinds) => match &**kinds {
                [days, months] => {
                    spans(days).zip(spans(months)).map(|(days, months)| Earlier { days, months })
                }
                _ => None,
            },
            _ => None,
        };
        earlier.or_else(|| self.fault("must be two lists of [zone, end] pairs, as the library writes them"))
    }

    pub(super) fn purpose(&mut self) -> Option<Purpose> {
        self.parsed()
    }

    pub(super) fn models(&mut self) -> Option<Vec<ModelPattern>> {
        if let Value::Text(text) = self.value {
            let comma = matches!(ModelPattern::parse(text), Err(ModelPatternError::Comma));
            let hint = if comma {
                "looks like a comma-separated list; use a JSON array"
            } else {
                "use a JSON array"
            };
            return self.fault(format_args!("must be a list of models, not text; {hint}"));
        }
        self.list("models", ModelRules::MAX_ENTRIES, |item| {
            let text = item.text()?;
            ModelPattern::parse(text).map_or_else(|error| item.fault(error), Some)
        })
    }

    pub(super) fn addresses(&mut self) -> Option<AddressRules> {
        let networks = self.list("addresses", AddressRules::MAX_ENTRIES, |item| {
            let text = item.text()?;
            AddressRules::parse_entry(text).map_or_else(|error| item.fault(error), Some)
        })?;
        if networks.is_empty() {
            return self.fault("must not be an empty list; say null for every address");
        }
        Some(AddressRules::new(networks))
    }

    pub(super) fn endpoints(&mut self) -> Option<EndpointRules> {
        let mut rules = EndpointRules::any();
        let entries = self.list("endpoints", EndpointRules::MAX_ENTRIES, |item| {
            let text = item.text()?;
            rules.push(text).map_or_else(|error| item.fault(error), Some)
        })?;
        if entries.is_empty() {
            return self.fault("must not be an empty list; say null for every endpoint");
        }
        Some(rules)
    }

    pub(super) fn tags(&mut self) -> Option<Vec<Box<str>>> {
        self.list("tags", MOST_TAGS, |item| {
            let tag = item.text()?;
            if tag.trim().is_empty() {
                return item.fault("must not be blank");
            }
            if tag.chars().count() > 64 || tag.contains(char::is_control) {
                return item.fault("must be at most 64 characters, none of them a control character");
            }
            Some(tag.into())
        })
    }

    /// As JSON text; empty for an empty object.
    pub(super) fn metadata(&mut self) -> Option<Box<str>> {
        let Value::Object(members) = self.value else {
            let kind = self.value.kind();
            return self.fault(format_args!("must be an object, not {kind}"));
        };
        if members.is_empty() {
            return Some(Box::default());
        }
        if members.len() > MOST_METADATA {
            return self.fault(format_args!("must have at most {MOST_METADATA} members"));
        }
        let mut json = String::new();
        if self.value.write_json(&mut json, DEEPEST).is_none() {
            return self.fault("must be plain JSON, at most 16 deep");
        }
        if json.len() > LONGEST_METADATA {
            return self.fault(format_args!("must be at most {LONGEST_METADATA} bytes of JSON"));
        }
        Some(json.into())
    }

    /// A list of what `read` makes of each item; `None` if any item is at fault, after all have been read.
    pub(super) fn list<T>(
        &mut self,
        what: &str,
        most: usize,
        mut read: impl FnMut(&mut Reader<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::List(items) = self.value else {
            let kind = self.value.kind();
            return self.fault(format_args!("must be a list of {what}, not {kind}"));
        };
        if items.len() > most {
            return self.fault(format_args!("must list at most {most} {what}"));
        }
        let mut list = Vec::with_capacity(items.len());
        for (position, value) in items.iter().enumerate() {
            let at = Path::Item(&self.at, position);
            list.extend(read(&mut Reader { value, at, faults: &mut *self.faults }));
        }
        Some(list).filter(|list| list.len() == items.len())
    }
}
