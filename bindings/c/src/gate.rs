//! The gate: opening, keeping up, closing.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use enclava_keys::gate::{Builder, OnUnavailable};
use enclava_keys::key::Peppers;
use enclava_keys::ledger::OnLapse;
use enclava_keys::{Clock, Gate};

use crate::alert::Ear;
use crate::error::enclava_error;
use crate::fault::Fault;
use crate::fork;
use crate::guard::{explain, guard, or};
use crate::handle::{Slot, given};
use crate::ledger::{Foreign, enclava_ledger_vtable};
use crate::prices::enclava_prices;
use crate::sized::{self, Growable};
use crate::status::enclava_status;
use crate::store::{ForeignStore, enclava_store_vtable};
use crate::text::{Buffer, enclava_str, items};
use crate::time::enclava_clock;

/// The one object that a gateway holds: it manages keys and authorizes requests.
///
/// Any threads may use it at once. Permits, keys and denials live on when it is freed, and so do calls that were submitted.
#[derive(Debug)]
pub struct enclava_gate(pub(crate) Arc<Gate>, pub(crate) Ear);

/// A secret of the gateway's own that keys the hashes of secrets: a stolen table of hashes is worth nothing without it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_pepper {
    /// Its name, 1 to 16 characters of A-Z a-z 0-9 _ -, kept with each hash.
    pub id: enclava_str,
    /// 32 to 64 bytes. Wipe your copy once the gate is open.
    pub bytes: enclava_str,
}

/// How a gate is set up. Make an empty one with enclava_options_init(): every field that is zero is at its default.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_options {
    /// sizeof(enclava_options).
    pub size: u32,
    /// 1: when the ledger cannot answer, admit calls of known keys without setting anything aside. The default denies them.
    pub admit_on_unavailable: i32,
    /// 1: let the estimate of a call go that nobody settled within its lifetime. The default charges it.
    pub release_on_lapse: i32,
    /// 1: tell no amounts in denials, only which budget is spent and when it resets.
    pub hide_amounts: i32,
    /// 1: answer unknown_key where a key is revoked, disabled, expired, not yet valid or its secret retired.
    pub hide_state: i32,
    /// The most calls of one key in flight; 4096 for 0.
    pub max_in_flight: u32,
    /// Seconds that a hold lives when nobody settles it; 600 for 0.
    pub hold_seconds: u64,
    /// Milliseconds after which a store that others write to is asked for news; 1000 for 0.
    pub refresh_milliseconds: u64,
    /// Milliseconds that such a store may be silent before calls are denied; 30000 for 0.
    pub stale_milliseconds: u64,
    /// Up to four: the first keys new hashes, the others are still understood. Lent for the call.
    pub peppers: *const enclava_pepper,
    /// How many.
    pub pepper_count: usize,
    /// What models cost, for enclava_gate_authorize_request(); the gate takes a copy. NULL for none.
    pub prices: *const enclava_prices,
    /// A clock to go by instead of the system's, for tests. NULL for none.
    pub clock: *const enclava_clock,
    /// A ledger of your own, instead of the URL's. The gate takes a copy of the table. NULL for none.
    pub ledger: *const enclava_ledger_vtable,
    /// What your ledger is handed with every call. It must live until the table's `release` is called.
    pub ledger_data: *mut c_void,
    /// A store of your own, instead of the URL's. The gate takes a copy of the table. NULL for none.
    pub store: *const enclava_store_vtable,
    /// What your store is handed with every call. It must live until the table's `release` is called.
    pub store_data: *mut c_void,
    /// 1: take slices of the budgets and hand them out in this process, so that most calls do not ask the ledger; for one that
    /// processes share. Limits still hold exactly. Permits and request ids then work in the process that was asked for them,
    /// alerts come a second or more later, calls in flight are bounded for each process, and what a killed process had leased
    /// stays held until its permit is settled (enclava_gate_leases()).
    pub leased: i32,
    /// Zero.
    pub reserved: u32,
}

// SAFETY: repr(C), its u32 of size first, no padding; integers and raw pointers, of which any bytes are a value.
unsafe impl Growable for enclava_options {
    const NAME: &'static str = "options";
    const FIRST: usize = 112;
}

/// Opens a gate: "memory:" keeps keys and budgets in this process, "file:///etc/enclava/policy.json" reads keys from a
/// policy file, "sqlite:////var/lib/enclava.db" keeps both in a database that processes of one host share. `options` may be
/// NULL. Free the gate with enclava_gate_free().
///
/// May block. Callable from any thread.
/// @return ENCLAVA_STATUS_INVALID_VALUE for another URL or a bad option; ENCLAVA_STATUS_INVALID_RECORD with every fault of
/// a policy file; ENCLAVA_STATUS_LEDGER if it cannot be read.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_open(
    url: enclava_str,
    options: *const enclava_options,
    gate: Option<&mut MaybeUninit<*mut enclava_gate>>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || {
        let gate = Slot::required(gate, "gate")?;
        fork::watch();
        let url = url.text("url")?;
        if options.is_null() {
            gate.fill(enclava_gate(Arc::new(Gate::open(url)?), Ear::default()));
            return Ok(());
        }
        let options = sized::read(options)?;
        let mut builder = configured(&options)?;
        let mut ledger = None;
        if !options.ledger.is_null() {
            let foreign = Arc::new(Foreign::new(options.ledger, options.ledger_data)?);
            builder = builder.ledger(foreign.clone());
            ledger = Some(foreign);
        }
        let mut store = None;
        if !options.store.is_null() {
            let foreign = Arc::new(ForeignStore::new(options.store, options.store_data)?);
            builder = builder.store(foreign.clone());
            store = Some(foreign);
        }
        gate.fill(enclava_gate(Arc::new(builder.open(url)?), Ear::default()));
        if let Some(ledger) = ledger {
            ledger.take_over();
        }
        if let Some(store) = store {
            store.take_over();
        }
        Ok(())
    })
}

fn configured(options: &enclava_options) -> Result<Builder, Fault> {
    if options.reserved != 0 {
        return Err(Fault::value("reserved", "must be zero"));
    }
    let mut builder = Gate::builder().peppers(peppers(options)?);
    if flag(options.admit_on_unavailable, "admit_on_unavailable")? {
        builder = builder.on_unavailable(OnUnavailable::Admit);
    }
    if flag(options.release_on_lapse, "release_on_lapse")? {
        builder = builder.on_lapse(OnLapse::Release);
    }
    if flag(options.hide_amounts, "hide_amounts")? {
        builder = builder.hide_amounts();
    }
    if flag(options.hide_state, "hide_state")? {
        builder = builder.hide_state();
    }
    builder = builder.leased(flag(options.leased, "leased")?);
    if options.max_in_flight > 0 {
        builder = builder.max_in_flight(options.max_in_flight);
    }
    if options.hold_seconds > 0 {
        builder = builder.hold_lifetime(Duration::from_secs(options.hold_seconds));
    }
    if options.refresh_milliseconds > 0 {
        builder = builder.refresh_interval(Duration::from_millis(options.refresh_milliseconds));
    }
    if options.stale_milliseconds > 0 {
        builder = builder.stale_limit(Duration::from_millis(options.stale_milliseconds));
    }
    // SAFETY: NULL, or a price book or a clock that the caller promises lives for the call.
    let (prices, clock) = unsafe { (options.prices.as_ref(), options.clock.as_ref()) };
    if let Some(prices) = prices {
        builder = builder.prices(prices.0.clone());
    }
    if let Some(clock) = clock {
        let clock: Arc<dyn Clock> = clock.0.clone();
        builder = builder.clock(clock);
    }
    Ok(builder)
}

fn peppers(options: &enclava_options) -> Result<Peppers, Fault> {
    let mut peppers = Vec::new();
    for pepper in items(options.peppers, options.pepper_count, "peppers")? {
        peppers.push((pepper.id.text("pepper.id")?, pepper.bytes.bytes("pepper.bytes")?));
    }
    Peppers::new(peppers).map_err(|error| Fault::value("peppers", error))
}

fn flag(value: i32, field: &'static str) -> Result<bool, Fault> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Fault::value(field, "must be 0 or 1")),
    }
}

/// Asks the store for news now: a policy file is read again, whatever its time.
///
/// May block. Callable from any threads at once.
/// @return ENCLAVA_STATUS_INVALID_RECORD or ENCLAVA_STATUS_LEDGER; then the last good records stay in force.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_refresh(
    gate: Option<&enclava_gate>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || Ok(given(gate, "gate")?.0.refresh()?))
}

/// Waits until every alert was told and everything is where it is kept. From an alert callback it does not wait for alerts.
///
/// May block. Callable from any threads at once.
/// @return ENCLAVA_STATUS_LEDGER if something could not be brought there.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_flush(
    gate: Option<&enclava_gate>,
    error: Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status {
    explain(error, || Ok(given(gate, "gate")?.0.flush()?))
}

/// What the gate counted since it was opened, as a JSON object: `keys`, `admitted`, `denied` by reason, `settled`,
/// `released`, `dropped`, `lapsed`, `recorded`, `extended`, `overrun`, `alerts_lost`, `events_lost`, `refresh_failures`.
///
/// Callable from any threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_stats(
    gate: Option<&enclava_gate>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let stats = serde_json::to_string(&given(gate, "gate")?.0.stats()).map_err(|_| Fault::Panic)?;
        Buffer::new(buffer, capacity, len).write(&stats)
    })
}

/// Flushes and frees a gate. NULL is nothing to free. Whoever must know that everything arrived flushes first. Once this has
/// returned no alert callback runs or is called again.
///
/// No other thread may be using the gate. May block; not to be called from an alert callback.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_gate_free(gate: Option<Box<enclava_gate>>) {
    or((), || {
        if let Some(gate) = gate {
            gate.1.close(&gate.0);
        }
    });
}
