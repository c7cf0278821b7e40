//! The dry run: what would be decided, and why.

use std::ffi::c_char;
use std::mem::MaybeUninit;

use enclava_keys::gate::{Decision, Rule};

use crate::denial::enclava_denial;
use crate::fault::Fault;
use crate::guard::{guard, or};
use crate::handle::given;
use crate::status::enclava_status;
use crate::text::Buffer;

/// What a dry run comes to. Zero denies.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum enclava_verdict {
    /// The request would be denied.
    Deny = 0,
    /// The request would be admitted.
    Admit = 1,
}

/// One rule that a request has to pass.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum enclava_rule {
    /// The secret is one, belongs to a key, and the key is in force.
    Key = 1,
    /// The client's address.
    Ip = 2,
    /// The endpoint.
    Endpoint = 3,
    /// The purpose.
    Purpose = 4,
    /// The model.
    Model = 5,
    /// US dollars today.
    DailySpend = 6,
    /// US dollars this month.
    MonthlySpend = 7,
    /// LLM tokens today.
    DailyTokens = 8,
    /// The number of calls in flight: tried after the model, before the meters.
    InFlight = 9,
}

/// What enclava_gate_authorize() would answer, and every rule on the way.
///
/// Immutable: any threads may read it at once.
#[derive(Debug)]
pub struct enclava_decision {
    decision: Decision,
    denial: Option<enclava_denial>,
}

impl From<Decision> for enclava_decision {
    fn from(decision: Decision) -> Self {
        let denial = decision.denial().cloned().map(enclava_denial::from);
        Self { decision, denial }
    }
}

/// Whether the request would be admitted. ENCLAVA_VERDICT_DENY for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_decision_verdict(decision: Option<&enclava_decision>) -> enclava_verdict {
    or(enclava_verdict::Deny, || {
        let admits = decision.is_some_and(|decision| decision.decision.is_allowed());
        if admits { enclava_verdict::Admit } else { enclava_verdict::Deny }
    })
}

/// The denial that would be sent, NULL if the request would be admitted. It belongs to the decision and lives as long.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_decision_denial(decision: Option<&enclava_decision>) -> Option<&enclava_denial> {
    or(None, || decision?.denial.as_ref())
}

/// The enclava_rule that was tried at `index`, from 0 on, negative if it refused; 0 past the last.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_decision_rule(decision: Option<&enclava_decision>, index: usize) -> i32 {
    or(0, || {
        let check = decision.and_then(|decision| decision.decision.checks().get(index));
        check.map_or(0, |check| {
            let rule = number(check.rule);
            if check.passed { rule } else { rule.saturating_neg() }
        })
    })
}

/// What the rule at `index` compared, for the operator: it names what the key may do.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_decision_note(
    decision: Option<&enclava_decision>,
    index: usize,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let check = given(decision, "decision")?.decision.checks().get(index);
        Buffer::new(buffer, capacity, len).write(&check.ok_or(Fault::NotFound("rule at this index"))?.note)
    })
}

/// All of it in words, a line for each rule: for the operator.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_decision_explain(
    decision: Option<&enclava_decision>,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| Buffer::new(buffer, capacity, len).write(&given(decision, "decision")?.decision.to_string()))
}

/// Frees a decision. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_decision_free(decision: Option<Box<enclava_decision>>) {
    or((), || drop(decision));
}

fn number(rule: Rule) -> i32 {
    match rule {
        Rule::Key => 1,
        Rule::Ip => 2,
        Rule::Endpoint => 3,
        Rule::Purpose => 4,
        Rule::Model => 5,
        Rule::DailySpend => 6,
        Rule::MonthlySpend => 7,
        Rule::DailyTokens => 8,
        Rule::InFlight => 9,
        // A rule that this header does not have yet: no name, but its mark and its note.
        _ => i32::MAX,
    }
}
