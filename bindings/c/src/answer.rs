//! What a submitted call came to.

use std::mem::MaybeUninit;

use crate::alert::enclava_alert;
use crate::books::enclava_balances;
use crate::decision::enclava_decision;
use crate::denial::enclava_denial;
use crate::error::enclava_error;
use crate::fault::Fault;
use crate::guard::{guard, or, wall};
use crate::handle::{Slot, given};
use crate::history::enclava_history;
use crate::key::{enclava_key, enclava_key_page};
use crate::lease::enclava_leases;
use crate::permit::enclava_permit;
use crate::secret::enclava_secret;
use crate::settlement::enclava_settlement;
use crate::sized;
use crate::status::enclava_status;

/// What a submitted call came to: what the call of the same name without _submit would have answered.
///
/// It is lent to the `done` that is told of it, and so is all that it holds but a permit that is taken out.
#[derive(Debug, Default)]
pub struct enclava_answer {
    fault: Option<enclava_status>,
    permit: Option<Box<enclava_permit>>,
    denial: Option<enclava_denial>,
    error: Option<enclava_error>,
    given: Given,
}

/// What a call gives besides a permit.
#[derive(Debug, Default)]
pub(crate) enum Given {
    #[default]
    Nothing,
    Key(enclava_key),
    NewKey(enclava_key, enclava_secret),
    Settlement(enclava_settlement),
    Decision(enclava_decision),
    Balances(Box<enclava_balances>),
    History(enclava_history),
    Leases(enclava_leases),
    Page(enclava_key_page),
    Allowed(Vec<bool>),
    Alert(enclava_alert),
}

impl enclava_answer {
    /// What a call comes to that decides whether there is a permit.
    pub(crate) fn admit(call: impl FnOnce() -> Result<enclava_permit, Fault>) -> Self {
        let mut answer = Self::default();
        let decided = wall(|| {
            answer.permit = Some(Box::new(call()?));
            Ok(())
        });
        answer.deny(decided)
    }

    /// What a call comes to that decides whose a secret is, or what it allows.
    pub(crate) fn decide(call: impl FnOnce() -> Result<Given, Fault>) -> Self {
        let mut answer = Self::default();
        let decided = wall(|| {
            answer.given = call()?;
            Ok(())
        });
        answer.deny(decided)
    }

    /// What any other call comes to.
    pub(crate) fn explain(call: impl FnOnce() -> Result<Given, Fault>) -> Self {
        let mut answer = Self::default();
        let done = wall(|| {
            answer.given = call()?;
            Ok(())
        });
        if let Err(fault) = done {
            answer.fault = Some(enclava_status::of(&fault));
            answer.error = Some(enclava_error::new(fault));
        }
        answer
    }

    /// What a call comes to that ends a permit, which comes back if it was not ended.
    pub(crate) fn end(
        mut permit: Box<enclava_permit>,
        call: impl FnOnce(&mut enclava_permit) -> Result<Given, Fault>,
    ) -> Self {
        let mut answer = Self::explain(|| call(&mut permit));
        if answer.fault.is_some() {
            answer.permit = Some(permit);
        }
        answer
    }

    /// What a call comes to whose permit goes on.
    pub(crate) fn go_on(
        mut permit: Box<enclava_permit>,
        call: impl FnOnce(&mut enclava_permit) -> Result<(), Fault>,
    ) -> Self {
        let mut answer = Self::explain(|| call(&mut permit).map(|()| Given::Nothing));
        answer.permit = Some(permit);
        answer
    }

    fn deny(mut self, decided: Result<(), Fault>) -> Self {
        if let Err(fault) = decided {
            self.fault = Some(enclava_status::of(&fault));
            self.denial = Some(enclava_denial::of(fault));
        }
        self
    }

    pub(crate) fn has_permit(&self) -> bool {
        self.permit.is_some()
    }

    /// Nothing, with all that it held let go.
    pub(crate) fn emptied(self) -> Self {
        drop(self);
        Self::default()
    }
}

/// What became of the call. ENCLAVA_STATUS_NULL_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_status(answer: Option<&enclava_answer>) -> enclava_status {
    or(enclava_status::Panic, || {
        answer.map_or(enclava_status::NullArgument, |answer| answer.fault.unwrap_or(enclava_status::Ok))
    })
}

/// Takes the permit out: of a call that was admitted, of one that was to be extended, or of one that could not be ended.
/// Free it with enclava_permit_free(). One that is not taken is freed by a thread of the queue, with what that means for
/// its call: so where nobody waits for it any more, leave it.
///
/// @return ENCLAVA_STATUS_NOT_FOUND if there is none, or none any more.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_take_permit(
    answer: Option<&mut enclava_answer>,
    permit: Option<&mut MaybeUninit<*mut enclava_permit>>,
) -> enclava_status {
    guard(|| {
        let permit = Slot::required(permit, "permit")?;
        let taken = given(answer, "answer")?.permit.take();
        permit.put(taken.ok_or(Fault::NotFound("permit in this answer"))?);
        Ok(())
    })
}

/// The denial to send, if a call that decides did not succeed, else NULL. It belongs to the answer and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_denial(answer: Option<&enclava_answer>) -> Option<&enclava_denial> {
    or(None, || answer?.denial.as_ref())
}

/// Why a call that does not decide did not succeed, else NULL. It belongs to the answer and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_error(answer: Option<&enclava_answer>) -> Option<&enclava_error> {
    or(None, || answer?.error.as_ref())
}

/// The record of a key, if the call gives one, else NULL. It belongs to the answer and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_key(answer: Option<&enclava_answer>) -> Option<&enclava_key> {
    or(None, || match &answer?.given {
        Given::Key(key) | Given::NewKey(key, _) => Some(key),
        _ => None,
    })
}

/// The secret of a new key, if the call made one, else NULL. It belongs to the answer and is wiped with it: show it now.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_secret(answer: Option<&enclava_answer>) -> Option<&enclava_secret> {
    or(None, || match &answer?.given {
        Given::NewKey(_, secret) => Some(secret),
        _ => None,
    })
}

/// What was charged, if the call charges, else NULL. It belongs to the answer and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_settlement(answer: Option<&enclava_answer>) -> Option<&enclava_settlement> {
    or(None, || match &answer?.given {
        Given::Settlement(settlement) => Some(settlement),
        _ => None,
    })
}

/// The decision of a dry run, else NULL, which denies. It belongs to the answer and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_decision(answer: Option<&enclava_answer>) -> Option<&enclava_decision> {
    or(None, || match &answer?.given {
        Given::Decision(decision) => Some(decision),
        _ => None,
    })
}

/// What a key used on past days, if that was asked, else NULL. It belongs to the answer and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_history(answer: Option<&enclava_answer>) -> Option<&enclava_history> {
    or(None, || match &answer?.given {
        Given::History(history) => Some(history),
        _ => None,
    })
}

/// The leases that are open on a key's budgets, if that was asked, else NULL. They belong to the answer and live as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_leases(answer: Option<&enclava_answer>) -> Option<&enclava_leases> {
    or(None, || match &answer?.given {
        Given::Leases(leases) => Some(leases),
        _ => None,
    })
}

/// The keys that were listed, if that was asked, else NULL. They belong to the answer and live as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_keys(answer: Option<&enclava_answer>) -> Option<&enclava_key_page> {
    or(None, || match &answer?.given {
        Given::Page(page) => Some(page),
        _ => None,
    })
}

/// 1 if the key may use the model at `index` of those that were asked for, else 0: also for a call that was denied.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_allowed(answer: Option<&enclava_answer>, index: usize) -> i32 {
    or(0, || match answer.map(|answer| &answer.given) {
        Some(Given::Allowed(allowed)) => allowed.get(index).copied().unwrap_or(false).into(),
        _ => 0,
    })
}

/// The alert that was taken, else NULL. It belongs to the answer and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_alert(answer: Option<&enclava_answer>) -> Option<&enclava_alert> {
    or(None, || match &answer?.given {
        Given::Alert(alert) => Some(alert),
        _ => None,
    })
}

/// Where the budgets of a key stood when that was asked.
///
/// @return ENCLAVA_STATUS_NOT_FOUND if it was not, or could not be told.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_answer_balances(
    answer: Option<&enclava_answer>,
    balances: *mut enclava_balances,
) -> enclava_status {
    guard(|| match &given(answer, "answer")?.given {
        Given::Balances(told) => sized::write(balances, told),
        _ => Err(Fault::NotFound("balances in this answer")),
    })
}
