//! What models cost, for a gate that prices calls itself.

use std::mem::MaybeUninit;

use enclava_keys::PriceBook;
use enclava_keys::wire::PriceError;

use crate::error::enclava_error;
use crate::fault::Fault;
use crate::gate::enclava_gate;
use crate::guard::{explain, guard, or};
use crate::handle::{Slot, apart, given};
use crate::status::enclava_status;
use crate::text::enclava_str;

/// How a text of prices is written.
#[repr(i32)]
#[derive(Debug, Clone, Copy)]
pub enum enclava_price_format {
    /// A small file of one's own, in TOML.
    Toml = 0,
    /// The same in JSON.
    Json = 1,
    /// LiteLLM's model_prices_and_context_window.json as it is. Entries that cannot be read are left out.
    Litellm = 2,
}

/// A price book. A gate takes a copy of it.
///
/// Any threads may read it at once.
#[derive(Debug)]
pub struct enclava_prices(pub(crate) PriceBook);

/// Reads a price book, in one enclava_price_format. Free it with enclava_prices_free().
///
/// Callable from any thread.
/// @return ENCLAVA_STATUS_INVALID_VALUE; the message lists every fault.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_prices_parse(
    text: enclava_str,
    format: i32,
    prices: Option<&mut MaybeUninit<*mut enclava_prices>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let prices = Slot::required(prices, "prices")?;
        let text = text.text("text")?;
        let unreadable = |error: PriceError| Fault::value("text", error);
        prices.fill(enclava_prices(match format {
            0 => PriceBook::from_toml(text).map_err(unreadable)?,
            1 => PriceBook::from_json(text).map_err(unreadable)?,
            2 => PriceBook::from_litellm(text).map_err(unreadable)?.0,
            _ => return Err(Fault::value("format", "must be one of enclava_price_format")),
        }));
        Ok(())
    })
}

/// Adds the prices of `later`, which win over those of the same models. If it is the same book, nothing changes.
///
/// One thread at a time for `prices`.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_prices_extend(
    prices: *mut enclava_prices,
    later: *const enclava_prices,
) -> enclava_status {
    guard(|| {
        if let Some((prices, later)) = apart(prices, later, ["prices", "later"])? {
            prices.0.extend(later.0.clone());
        }
        Ok(())
    })
}

/// How many models a price book knows. 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_prices_count(prices: Option<&enclava_prices>) -> usize {
    or(0, || prices.map_or(0, |prices| prices.0.len()))
}

/// Prices calls by `prices` from now on.
///
/// Callable from any threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_set_prices(
    gate: Option<&enclava_gate>,
    prices: Option<&enclava_prices>,
) -> enclava_status {
    guard(|| {
        given(gate, "gate")?.0.set_prices(given(prices, "prices")?.0.clone());
        Ok(())
    })
}

/// Frees a price book. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_prices_free(prices: Option<Box<enclava_prices>>) {
    or((), || drop(prices));
}
