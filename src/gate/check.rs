//! The dry run: what would be decided, and why.

use std::fmt;

use serde::Serialize;

use super::authorize::policy_denial;
use super::core::{Core, account, detail};
use super::{Gate, Request};
use crate::budget::{Amount, Hold, HoldId, Meter, Moved, Party, Row, Step, refusal};
use crate::key::Key;
use crate::ledger::NotReserved;
use crate::time::Timestamp;
use crate::wire::{Denial, Reason};

/// One rule that a request has to pass, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// The secret is one, belongs to a key, and the key is in force.
    Key,
    /// The client's address.
    Ip,
    /// The endpoint.
    Endpoint,
    /// The purpose.
    Purpose,
    /// The model.
    Model,
    /// The number of calls in flight.
    InFlight,
    /// US dollars today.
    DailySpend,
    /// US dollars this month.
    MonthlySpend,
    /// LLM tokens today.
    DailyTokens,
}

impl Rule {
    /// The name used in every language and on the wire, such as `daily_spend`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Ip => "ip",
            Self::Endpoint => "endpoint",
            Self::Purpose => "purpose",
            Self::Model => "model",
            Self::InFlight => "in_flight",
            Self::DailySpend => Meter::DailySpend.as_str(),
            Self::MonthlySpend => Meter::MonthlySpend.as_str(),
            Self::DailyTokens => Meter::DailyTokens.as_str(),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a request fared with one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The rule.
    pub rule: Rule,
    /// Whether it passed.
    pub passed: bool,
    /// What it compared, for the operator: it names no secret, but it names what the key may do.
    pub note: String,
}

/// What [`Gate::authorize`] would answer, and every rule on the way. Nothing was consumed.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Decision {
    denial: Option<Denial>,
    checks: Vec<Check>,
}

impl Decision {
    /// Whether the request would be admitted.
    pub fn is_allowed(&self) -> bool {
        self.denial.is_none()
    }

    /// Why not; `None` if it would be admitted.
    pub fn reason(&self) -> Option<Reason> {
        self.denial.as_ref().map(Denial::reason)
    }

    /// The denial that would be sent; `None` if the request would be admitted.
    pub fn denial(&self) -> Option<&Denial> {
        self.denial.as_ref()
    }

    /// Every rule that was tried, the refusing one last. The meters are told together.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }
}

/// A line for each rule.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let mark = if check.passed { "pass" } else { "FAIL" };
            writeln!(f, "{mark}  {:<13} {}", check.rule, check.note)?;
        }
        match &self.denial {
            None => f.write_str("allowed"),
            Some(denial) => write!(f, "denied: {} ({})", denial.reason(), denial.message()),
        }
    }
}

impl Gate {
    /// What [`Gate::authorize`] would answer to `request` now, with every rule that it would pass and the one that would
    /// refuse it. Consumes nothing, counts nothing, and ignores [`Request::wait`].
    ///
    /// It does not look at the request id, and answers `ledger_unavailable` even where the gate would admit.
    pub fn check(&self, request: &Request<'_>) -> Decision {
        let now = self.core.clock.now();
        let mut checks = Vec::new();
        let denial = self.walk(request, now, &mut checks).err().map(|denial| self.shown(denial));
        Decision { denial, checks }
    }

    fn walk(&self, request: &Request<'_>, now: Timestamp, checks: &mut Vec<Check>) -> Result<(), Denial> {
        let identified = self.identify(request.secret, now);
        let note = match &identified {
            Ok(caller) => format!("{} ({})", caller.key.name(), caller.key.id()),
            Err(denial) => denial.message(),
        };
        checks.push(Check { rule: Rule::Key, passed: identified.is_ok(), note });
        let caller = identified?;
        Self::walk_policy(&caller.key, request, checks)?;
        self.walk_budget(&caller.key, request, now, checks)
    }

    fn walk_policy(key: &Key, request: &Request<'_>, checks: &mut Vec<Check>) -> Result<(), Denial> {
        let facts = request.facts();
        for (rule, outcome) in [
            (Rule::Ip, key.policy().check_ip(facts.ip)),
            (Rule::Endpoint, key.policy().check_endpoint(facts.endpoint)),
            (Rule::Purpose, key.policy().check_purpose(facts.purpose)),
            (Rule::Model, key.policy().check_model(facts.model)),
        ] {
            let asked = match rule {
                Rule::Ip => request.ip.address().map(|ip| ip.to_string()),
                Rule::Endpoint => request.endpoint.map(str::to_owned),
                Rule::Purpose => request.purpose.map(str::to_owned),
                _ => request.model.map(str::to_owned),
            };
            let asked = asked.map_or("not stated".to_owned(), |asked| format!("{asked:?}"));
            let note = format!(
                "{asked}: {}",
                if outcome.is_ok() { "may be used" } else { "not among what the key may use" }
            );
            checks.push(Check { rule, passed: outcome.is_ok(), note });
            outcome.map_err(|refusal| policy_denial(refusal, request.model))?;
        }
        Ok(())
    }

    fn walk_budget(
        &self,
        key: &Key,
        request: &Request<'_>,
        now: Timestamp,
        checks: &mut Vec<Check>,
    ) -> Result<(), Denial> {
        let limits = key.limits();
        let mut lapses = Vec::new();
        let rows = self.core.books.rows(account(key, &limits), now, &mut lapses);
        self.core.tell_lapses(key, lapses);
        let unavailable = |_| Denial::new(Reason::LedgerUnavailable);
        let rows = rows.map_err(unavailable)?;
        let (calls, most) = self.core.books.in_flight(key.owner()).map_err(unavailable)?;
        let (passed, note) = (calls < most, format!("{calls} calls in flight, {most} at once at most"));
        checks.push(Check { rule: Rule::InFlight, passed, note });
        if !passed {
            return Err(Core::denial(&NotReserved::Crowded, now));
        }
        let moved = rows.map(|row| Moved { row, told: false });
        let party = Party { owner: key.owner(), limits: &limits, windows: key.calendar().windows(now) };
        let (parties, hold) = ([party], Hold::new(HoldId(0), 0));
        let step = Step::reserve(&parties, &hold, request.estimate, None, now, 1, u32::MAX);
        let rules = [Rule::DailySpend, Rule::MonthlySpend, Rule::DailyTokens];
        for ((change, moved), rule) in step.changes().zip(&moved).zip(rules) {
            let note = meter_note(change.meter, &moved.row, limits.cap(change.meter), change.held);
            checks.push(Check { rule, passed: change.is_admitted(&moved.row), note });
        }
        match refusal(&step, &moved) {
            None => Ok(()),
            Some(refusal) => Err(Denial::budget(detail(&refusal, now))),
        }
    }
}

fn meter_note(meter: Meter, row: &Row, cap: Option<i128>, asked: i128) -> String {
    let show = |units| Amount::of(meter, units);
    let limit = cap.map_or("no limit".to_owned(), |cap| format!("limit {}", show(cap)));
    format!("used {}, held {}, asked {}, {limit}", show(row.used), show(row.held), show(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_one_name() {
        use Rule::{DailySpend, DailyTokens, Endpoint, InFlight, Ip, Key, Model, MonthlySpend, Purpose};
        let rules = [Key, Ip, Endpoint, Purpose, Model, InFlight, DailySpend, MonthlySpend, DailyTokens];
        let checks = rules.map(|rule| Check { rule, passed: true, note: "well".to_owned() }).to_vec();
        let told = Decision { denial: None, checks }.to_string();
        for (rule, line) in rules.into_iter().zip(told.lines()) {
            assert_eq!(serde_json::to_value(rule).unwrap_or_default(), rule.as_str());
            assert_eq!(line, format!("pass  {:<13} well", rule.as_str()));
        }
    }
}
