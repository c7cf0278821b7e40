//! What a settled call came to.

use enclava_keys::Settlement;

use crate::alert::enclava_alert;
use crate::guard::or;
use crate::money::enclava_usage;

/// What a call came to when it was settled.
///
/// Immutable: any threads may read it at once.
#[derive(Debug)]
pub struct enclava_settlement {
    charged: Settlement,
    alerts: Vec<enclava_alert>,
}

impl From<Settlement> for enclava_settlement {
    fn from(mut charged: Settlement) -> Self {
        let alerts = std::mem::take(&mut charged.alerts).into_iter().map(enclava_alert).collect();
        Self { charged, alerts }
    }
}

/// What was charged. Nothing for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_settlement_usage(settlement: Option<&enclava_settlement>) -> enclava_usage {
    or(enclava_usage::ZERO, || {
        settlement.map_or(enclava_usage::ZERO, |settlement| settlement.charged.usage.into())
    })
}

/// What of it was beyond the estimate: the part that may have passed a limit.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_settlement_overrun(settlement: Option<&enclava_settlement>) -> enclava_usage {
    or(enclava_usage::ZERO, || {
        settlement.map_or(enclava_usage::ZERO, |settlement| settlement.charged.overrun.into())
    })
}

/// Whether it replaced what a dropped permit or a lapse had decided: 1 or 0.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_settlement_is_late(settlement: Option<&enclava_settlement>) -> i32 {
    or(0, || settlement.is_some_and(|settlement| settlement.charged.late).into())
}

/// The alerts that this charge set off, from 0 on; NULL past the last. They belong to the settlement and live as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_settlement_alert(
    settlement: Option<&enclava_settlement>,
    index: usize,
) -> Option<&enclava_alert> {
    or(None, || settlement?.alerts.get(index))
}

/// Frees a settlement. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_settlement_free(settlement: Option<Box<enclava_settlement>>) {
    or((), || drop(settlement));
}
