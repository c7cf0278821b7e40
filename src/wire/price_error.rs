//! What is wrong with prices.

use std::fmt;

use crate::budget::MoneyError;

/// Everything that is wrong with a file of prices, at least one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceError {
    faults: Vec<PriceFault>,
}

/// One thing that is wrong with a file of prices.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriceFault {
    /// Where: `models.gpt-4.input`. Empty for the file itself.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl PriceFault {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl PriceError {
    pub(super) fn of(fault: PriceFault) -> Self {
        Self { faults: vec![fault] }
    }

    /// An error if there are faults.
    pub(super) fn check(faults: Vec<PriceFault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self { faults }) }
    }

    /// Every fault, in the order of the file.
    pub fn faults(&self) -> &[PriceFault] {
        &self.faults
    }
}

impl fmt::Display for PriceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "`{}`: {}", self.path, self.message)
        }
    }
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PriceError {}

/// A price that is no money, in words about a price.
pub(super) fn no_price(error: MoneyError) -> String {
    match error {
        MoneyError::Syntax => "must be a decimal number of US dollars, such as 0.03".to_owned(),
        other => other.to_string(),
    }
}
