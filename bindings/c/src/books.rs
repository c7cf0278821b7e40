//! Where budgets stand, and calls that are ended or charged by name.

use std::mem::MaybeUninit;

use enclava_keys::budget::PermitId;
use enclava_keys::gate::Balance;
use enclava_keys::{Gate, KeyId, Settlement};

use crate::error::enclava_error;
use crate::fault::Fault;
use crate::gate::enclava_gate;
use crate::guard::explain;
use crate::handle::{Slot, given};
use crate::manage::read_id;
use crate::money::enclava_usage;
use crate::settlement::enclava_settlement;
use crate::sized::{self, Growable};
use crate::status::enclava_status;
use crate::text::enclava_str;
use crate::time::enclava_time;

/// Where one meter stands in its present window. Amounts are dollars or tokens, as the meter counts; the other is zero.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_balance {
    /// Charged so far. It may be past the limit: facts are recorded whatever they are.
    pub used: enclava_usage,
    /// Set aside for calls in flight.
    pub held: enclava_usage,
    /// The limit, if there is one.
    pub limit: enclava_usage,
    /// What the next call may take, if there is a limit.
    pub remaining: enclava_usage,
    /// When the window ends and the meter starts from zero.
    pub resets_at: enclava_time,
    /// 1 if there is a limit, else 0.
    pub is_limited: i32,
    /// Zero.
    pub reserved: u32,
}

/// Where the budgets of one key stand. Make an empty one with enclava_balances_init().
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_balances {
    /// sizeof(enclava_balances).
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// US dollars today.
    pub daily_spend: enclava_balance,
    /// US dollars this month.
    pub monthly_spend: enclava_balance,
    /// LLM tokens today.
    pub daily_tokens: enclava_balance,
}

// SAFETY: repr(C), its u32 of size first, no padding, integers only.
unsafe impl Growable for enclava_balances {
    const NAME: &'static str = "balances";
    const FIRST: usize = 344;
}

impl From<Balance> for enclava_balance {
    fn from(balance: Balance) -> Self {
        Self {
            used: enclava_usage::counted(balance.used),
            held: enclava_usage::counted(balance.held),
            limit: balance.limit.map_or(enclava_usage::ZERO, enclava_usage::counted),
            remaining: balance.remaining.map_or(enclava_usage::ZERO, enclava_usage::counted),
            resets_at: balance.resets_at.as_micros(),
            is_limited: balance.limit.is_some().into(),
            reserved: 0,
        }
    }
}

/// Where the budgets of a key stand now.
///
/// May block for a ledger that does I/O. Callable from any threads at once.
/// @return ENCLAVA_STATUS_NOT_FOUND without such a key; ENCLAVA_STATUS_LEDGER.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_usage(
    gate: Option<&enclava_gate>,
    key_id: enclava_str,
    balances: *mut enclava_balances,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let (gate, id) = (given(gate, "gate")?, read_id(key_id.text("key_id")?, "key_id")?);
        sized::write(balances, &usage_of(&gate.0, &id)?)
    })
}

/// Settles a permit by its id: from another worker, a callback, or after it was detached or freed.
///
/// `settlement` may be NULL; free it with enclava_settlement_free().
///
/// May block for a ledger that does I/O. Callable from any threads at once.
/// @return ENCLAVA_STATUS_NOT_FOUND if it is unknown or was resolved too long ago to be remembered; then, if its call was
/// never charged, record it. Else as enclava_permit_settle().
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_settle(
    gate: Option<&enclava_gate>,
    permit_id: enclava_str,
    usage: enclava_usage,
    settlement: Option<&mut MaybeUninit<*mut enclava_settlement>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    charge(gate, settlement, error, |gate| Ok(gate.0.settle(&read_permit(permit_id)?, usage.read()?)?))
}

/// Releases a permit by its id, as enclava_permit_release() does.
///
/// May block for a ledger that does I/O. Callable from any threads at once.
/// @return as enclava_gate_settle().
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_release(
    gate: Option<&enclava_gate>,
    permit_id: enclava_str,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || Ok(given(gate, "gate")?.0.release(&read_permit(permit_id)?)?))
}

/// Charges usage that was made elsewhere and never reserved, in the current windows. With a `request_id`, which may be not
/// stated, the same usage is not charged twice for as long as the ledger remembers it: in memory, until seven later calls
/// of the key have ended.
///
/// `settlement` may be NULL; free it with enclava_settlement_free().
///
/// May block for a ledger that does I/O. Callable from any threads at once.
/// @return ENCLAVA_STATUS_NOT_FOUND without such a key; ENCLAVA_STATUS_CONFLICT if the request id was used before;
/// ENCLAVA_STATUS_LEDGER.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_record(
    gate: Option<&enclava_gate>,
    key_id: enclava_str,
    usage: enclava_usage,
    request_id: enclava_str,
    settlement: Option<&mut MaybeUninit<*mut enclava_settlement>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    charge(gate, settlement, error, |gate| {
        let id = read_id(key_id.text("key_id")?, "key_id")?;
        Ok(gate.0.record(&id, usage.read()?, request_id.stated("request_id")?)?)
    })
}

fn charge(
    gate: Option<&enclava_gate>,
    settlement: Option<&mut MaybeUninit<*mut enclava_settlement>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
    charge: impl FnOnce(&enclava_gate) -> Result<Settlement, Fault>,
) -> enclava_status {
    explain(error, || {
        let settlement = Slot::wanted(settlement);
        let settled = charge(given(gate, "gate")?)?;
        if let Some(settlement) = settlement {
            settlement.fill(settled.into());
        }
        Ok(())
    })
}

pub(crate) fn usage_of(gate: &Gate, id: &KeyId) -> Result<enclava_balances, Fault> {
    let told = gate.usage(id)?;
    Ok(enclava_balances {
        size: 0,
        reserved: 0,
        daily_spend: told.daily_spend.into(),
        monthly_spend: told.monthly_spend.into(),
        daily_tokens: told.daily_tokens.into(),
    })
}

pub(crate) fn read_permit(id: enclava_str) -> Result<PermitId, Fault> {
    id.text("permit_id")?.parse().map_err(|error| Fault::value("permit_id", error))
}
