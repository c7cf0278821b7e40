//! Reads a small file of prices of one's own, TOML or JSON.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use super::json;
use super::price_error::{PriceError, PriceFault, no_price};
use super::prices::{ModelPrice, PriceBook};
use super::rates::TokenKind;
use super::tokens::ServiceTier;
use crate::budget::Money;

const FIELDS: [&str; 14] = [
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
    "per",
    "max_input",
    "max_output",
    "aliases",
];

impl PriceBook {
    /// Reads prices from TOML:
    ///
    /// ```
    /// # use enclava_keys::wire::PriceBook;
    /// let book = PriceBook::from_toml(r#"
    ///     [models."gpt-4"]
    ///     input = "0.03"              # US dollars, as text or as a number; read as a decimal either way
    ///     output = "0.06"
    ///     per = "1k"                  # the price of so many tokens: "1" (the default), "1k" or "1m"
    ///     cache_read = "0.015"
    ///     max_input = 8192            # tokens
    ///     max_output = 8192           # tokens of one answer; 0 for embeddings
    ///     aliases = ["gpt-4-0613"]
    /// "#)?;
    /// assert!(book.get("gpt-4-0613").is_some());
    /// # Ok::<(), enclava_keys::wire::PriceError>(())
    /// ```
    ///
    /// `input` and `output` must be there; 0 is a price. A model with a price for `reasoning`, be it that of `output`, is one
    /// that [may reason](ModelPrice::may_reason). Further kinds of tokens are `cache_write`, `cache_write_1h`,
    /// `reasoning`, `audio_input`, `audio_output`, `image_input` and `image_output`; what is absent costs as input or
    /// output do, and `cache_write_1h` as `cache_write`.
    ///
    /// # Errors
    /// [`PriceError`] with every fault: an unknown field, a price that is none, a name that is there twice.
    pub fn from_toml(text: &str) -> Result<Self, PriceError> {
        let table = DeTable::parse(text)
            .map_err(|error| PriceError::of(PriceFault::new("", unread(text, &error))))?;
        Reader::book(Value::of_toml_table(table.get_ref()))
    }

    /// Reads prices from JSON of the same shape as [`PriceBook::from_toml`]:
    /// `{"models": {"gpt-4": {"input": "0.03", "output": "0.06", "per": "1k"}}}`. Numbers are read as the decimals that
    /// are written, never as floats.
    ///
    /// # Errors
    /// As [`PriceBook::from_toml`].
    pub fn from_json(text: &str) -> Result<Self, PriceError> {
        let table = Value::of_json_object(text)
            .map_err(|_| PriceError::of(PriceFault::new("", "must be a JSON object with `models`")))?;
        Reader::book(table)
    }
}

// What is wrong with a text that is no TOML, and in which line.
fn unread(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let line = text.bytes().take(start).filter(|&byte| byte == b'\n').count().saturating_add(1);
    format!("line {line}: {}", error.message())
}

#[derive(Default)]
struct Reader {
    book: PriceBook,
    names: BTreeSet<String>,
    faults: Vec<PriceFault>,
}

impl Reader {
    fn book(file: Members<'_>) -> Result<PriceBook, PriceError> {
        let mut reader = Self::default();
        let mut models = None;
        for (name, value) in file {
            match (name.as_str(), value) {
                ("models", value) if models.is_none() => models = Some(value),
                ("models", _) => reader.fault("models", "must not be there twice"),
                _ => reader.fault(&name, "unknown field; prices stand under `models`"),
            }
        }
        match models.map(|value| value.members()) {
            Some(Some(models)) => models.into_iter().for_each(|(name, value)| reader.model(&name, &value)),
            Some(None) => reader.fault("models", "must be a table of models"),
            None => reader.fault("models", "is missing"),
        }
        PriceError::check(reader.faults)?;
        Ok(reader.book)
    }

    fn model(&mut self, name: &str, value: &Value<'_>) {
        let path = format!("models.{name}");
        let Some(fields) = value.members() else {
            return self.fault(&path, "must be a table of prices");
        };
        let before = self.faults.len();
        let mut model = Model { path: &path, fields: &fields, reader: self };
        model.check_names();
        let price = model.price();
        let aliases = model.aliases();
        self.name(&path, name);
        for alias in &aliases {
            self.name(&format!("{path}.aliases"), alias);
        }
        if self.faults.len() == before {
            self.book.insert(name, price);
            for alias in aliases {
                self.book.alias(&alias, name);
            }
        }
    }

    fn name(&mut self, path: &str, name: &str) {
        if name.is_empty() {
            self.fault(path, "a model must have a name");
        } else if !self.names.insert(name.to_owned()) {
            self.fault(path, &format!("`{name}` already has a price"));
        }
    }

    fn fault(&mut self, path: &str, message: &str) {
        self.faults.push(PriceFault::new(path, message));
    }
}

// One model being read.
struct Model<'r, 'a> {
    path: &'r str,
    fields: &'r Members<'a>,
    reader: &'r mut Reader,
}

impl Model<'_, '_> {
    fn check_names(&mut self) {
        let mut seen = BTreeSet::new();
        for (name, _) in self.fields {
            if !FIELDS.contains(&name.as_str()) {
                let far = FIELDS.iter().map(|known| (strsim::damerau_levenshtein(known, name), known));
                let hint = match far.min() {
                    Some((2.., _)) if name.len() < 4 => None,
                    Some((0..=3, nearest)) => Some(format!("did you mean `{nearest}`?")),
                    _ => None,
                };
                let hint = hint.unwrap_or_else(|| format!("the fields are {}", FIELDS.join(", ")));
                self.fault(name, &format!("unknown field; {hint}"));
            } else if !seen.insert(name) {
                self.fault(name, "must not be there twice");
            }
        }
    }

    fn price(&mut self) -> ModelPrice {
        let per = self.per();
        let mut price = ModelPrice::default();
        for (name, kind, required) in [
            ("input", TokenKind::Input, true),
            ("output", TokenKind::Output, true),
            ("cache_read", TokenKind::CacheRead, false),
            ("cache_write", TokenKind::CacheWrite, false),
            ("cache_write_1h", TokenKind::CacheWriteLong, false),
            ("reasoning", TokenKind::Reasoning, false),
            ("audio_input", TokenKind::AudioIn, false),
            ("audio_output", TokenKind::AudioOut, false),
            ("image_input", TokenKind::ImageIn, false),
            ("image_output", TokenKind::ImageOut, false),
        ] {
            match self.get(name).map(Value::decimal) {
                Some(Some(text)) => match Money::parse_rounded_up(text) {
                    // Rounding up twice is rounding up once when the second divisor is whole.
                    Ok(money) => {
                        let picos = money.as_picos().unsigned_abs().div_ceil(per);
                        let each = i128::try_from(picos).ok().and_then(|picos| Money::from_picos(picos).ok());
                        price = price.with_rate(kind, ServiceTier::Standard, 0, each.unwrap_or(Money::MAX));
                    }
                    Err(error) => self.fault(name, &no_price(error)),
                },
                Some(None) => self.fault(name, "must be a decimal number of US dollars, such as \"0.03\""),
                None if required => self.fault(name, "is missing; 0 is a price too"),
                None => {}
            }
        }
        price.max_input = self.tokens("max_input");
        price.max_output = self.tokens("max_output");
        price
    }

    fn per(&mut self) -> u128 {
        let per = self.get("per").map(|value| value.decimal().unwrap_or_default().to_owned());
        match per.as_deref() {
            None | Some("1") => 1,
            Some("1k") => 1_000,
            Some("1m") => 1_000_000,
            Some(_) => {
                self.fault("per", "must be \"1\", \"1k\" or \"1m\" (tokens)");
                1
            }
        }
    }

    fn tokens(&mut self, name: &str) -> Option<u64> {
        let tokens = match self.get(name)? {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        };
        if tokens.is_none() {
            self.fault(name, "must be a whole number of tokens");
        }
        tokens
    }

    fn aliases(&mut self) -> Vec<String> {
        match self.get("aliases") {
            None => Vec::new(),
            Some(Value::Texts(Some(names))) => names.clone(),
            Some(_) => {
                self.fault("aliases", "must be a list of names");
                Vec::new()
            }
        }
    }

    fn get(&self, name: &str) -> Option<&Value<'_>> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    fn fault(&mut self, name: &str, message: &str) {
        let path = format!("{}.{name}", self.path);
        self.reader.fault(&path, message);
    }
}

type Members<'a> = Vec<(String, Value<'a>)>;

// What TOML and JSON have in common here. Numbers keep their text.
enum Value<'a> {
    Text(String),
    Number(String),
    // `None` if not all of the list is text.
    Texts(Option<Vec<String>>),
    TomlTable(&'a DeTable<'a>),
    JsonObject(&'a str),
    Other,
}

impl<'a> Value<'a> {
    fn of_toml_table(table: &'a DeTable<'a>) -> Members<'a> {
        let member = |value: &'a DeValue<'a>| match value {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) if number.radix() == 10 => {
                Value::Number(number.as_str().replace('_', ""))
            }
            DeValue::Float(number) => Value::Number(number.as_str().replace('_', "")),
            DeValue::Array(list) => {
                Value::Texts(list.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect())
            }
            DeValue::Table(table) => Value::TomlTable(table),
            _ => Value::Other,
        };
        table
            .iter()
            .map(|(name, value)| (name.get_ref().clone().into_owned(), member(value.get_ref())))
            .collect()
    }

    fn of_json_object(text: &'a str) -> Result<Members<'a>, json::NotThat> {
        let mut found = Vec::new();
        json::members(text, |name, value| found.push((name.to_owned(), Value::of_json(value))))?;
        Ok(found)
    }

    fn of_json(text: &'a str) -> Self {
        if let Some(text) = json::string(text) {
            Self::Text(text)
        } else if json::is_object(text) {
            Self::JsonObject(text)
        } else if json::is_array(text) {
            let mut names = Some(Vec::new());
            let read = json::each(text, |item| {
                match (json::string(item), names.as_mut()) {
                    (Some(name), Some(names)) => names.push(name),
                    _ => names = None,
                }
                Ok::<(), json::NotThat>(())
            });
            Self::Texts(names.filter(|_| read.is_ok()))
        } else if json::is_number(text) {
            Self::Number(text.to_owned())
        } else {
            Self::Other
        }
    }

    fn members(&self) -> Option<Members<'a>> {
        match self {
            Self::TomlTable(table) => Some(Self::of_toml_table(table)),
            Self::JsonObject(text) => Self::of_json_object(text).ok(),
            _ => None,
        }
    }

    fn decimal(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
