//! Money and usage by value, and their text.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use enclava_keys::budget::Amount;
use enclava_keys::{Money, Usage};

use crate::fault::Fault;
use crate::guard::guard;
use crate::handle::given;
use crate::status::enclava_status;
use crate::text::{Buffer, enclava_str};

/// Room for the text of any amount and its NUL.
pub const ENCLAVA_MONEY_TEXT: usize = 24;

/// An amount of US dollars, exact to 1e-12 of one: whole dollars (0 to 9999999999), and the pico-dollars beyond them
/// (0 to 999999999999). All zero is nothing.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct enclava_money {
    /// Whole dollars.
    pub usd: i64,
    /// Pico-dollars, 1e-12 dollars each.
    pub pico: i64,
}

/// What one call takes, estimated or real.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct enclava_usage {
    /// US dollars.
    pub cost: enclava_money,
    /// LLM tokens, input and output together.
    pub tokens: u64,
}

impl From<Money> for enclava_money {
    fn from(money: Money) -> Self {
        let (usd, pico) = money.to_parts();
        Self { usd, pico }
    }
}

impl From<Usage> for enclava_usage {
    fn from(usage: Usage) -> Self {
        Self { cost: usage.cost.into(), tokens: usage.tokens }
    }
}

impl enclava_money {
    pub(crate) fn read(self, field: &'static str) -> Result<Money, Fault> {
        Money::from_parts(self.usd, self.pico).map_err(|error| Fault::value(field, error))
    }
}

impl enclava_usage {
    pub(crate) const ZERO: Self = Self { cost: enclava_money { usd: 0, pico: 0 }, tokens: 0 };

    /// An amount in the unit of its meter.
    pub(crate) fn counted(amount: Amount) -> Self {
        match amount {
            Amount::Spend(money) => Self { cost: money.into(), tokens: 0 },
            Amount::Tokens(tokens) => Self { tokens, ..Self::ZERO },
        }
    }

    pub(crate) fn read(self) -> Result<Usage, Fault> {
        Ok(Usage::new(self.cost.read("cost")?, self.tokens))
    }
}

/// Reads decimal text such as "0.05", "50" or "1.3e-10". What is finer than a pico-dollar rounds up.
///
/// Callable from any thread.
/// @return ENCLAVA_STATUS_INVALID_VALUE for text that is no amount of money from 0 to just below ten billion dollars.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_money_parse(
    text: enclava_str,
    money: Option<&mut MaybeUninit<enclava_money>>,
) -> enclava_status {
    guard(|| {
        let money = given(money, "money")?;
        let read = Money::parse_rounded_up(text.text("text")?);
        money.write(read.map_err(|error| Fault::value("text", error))?.into());
        Ok(())
    })
}

/// Writes an amount as decimal text: at least two decimals and no zeros behind them, such as "0.031" or "50.00".
/// ENCLAVA_MONEY_TEXT bytes are always enough.
///
/// Callable from any thread.
/// @return ENCLAVA_STATUS_INVALID_VALUE for an amount that is none.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_money_format(
    money: enclava_money,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(&money.read("money")?.to_string()))
}
