//! A denial in the words of the API that the client speaks.

use serde_json::{Map, Value, json};

use super::denial::{BudgetDetail, Denial};
use super::message;
use crate::budget::Meter;

/// Whose error bodies a client expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// `{"error": {"message", "type", "param", "code"}}`.
    #[default]
    OpenAi,
    /// `{"type": "error", "error": {"type", "message"}}`.
    Anthropic,
}

impl Denial {
    /// The JSON body to answer with.
    ///
    /// In OpenAI's dialect the error has all four members, of which only `param` may be null. When a budget refused,
    /// a member `budget` follows in both dialects: `name`, `transient`, `resets_at`, and unless they are hidden the
    /// amounts `limit`, `used`, `held`, `remaining` and `requested`, dollars as decimal text and tokens as integers.
    pub fn body(&self, dialect: Dialect) -> Value {
        let reason = self.reason();
        let mut error = Map::new();
        error.insert("message".to_owned(), self.message().into());
        match dialect {
            Dialect::OpenAi => {
                // The reason of a budget is the same whether it is final; what the client should do is not.
                let in_flight = self.budget_detail().is_some_and(|detail| detail.transient);
                let (kind, code) = if in_flight {
                    ("rate_limit_error", "rate_limit_exceeded")
                } else {
                    (reason.kind(), reason.code())
                };
                error.insert("type".to_owned(), kind.into());
                error.insert("param".to_owned(), reason.param().into());
                error.insert("code".to_owned(), code.into());
            }
            Dialect::Anthropic => {
                error.insert("type".to_owned(), reason.anthropic_kind().into());
            }
        }
        if let Some(detail) = self.budget_detail() {
            error.insert("budget".to_owned(), budget(detail, self.hides_amounts()));
        }
        match dialect {
            Dialect::OpenAi => json!({ "error": error }),
            Dialect::Anthropic => json!({ "type": "error", "error": error }),
        }
    }

    /// The same as a server-sent event, for a stream whose status has already gone out. End the stream after it.
    pub fn sse_event(&self, dialect: Dialect) -> String {
        // JSON text has no raw line breaks, so one `data:` line holds it.
        let body = self.body(dialect);
        match dialect {
            Dialect::OpenAi => format!("data: {body}\n\n"),
            Dialect::Anthropic => format!("event: error\ndata: {body}\n\n"),
        }
    }
}

fn budget(detail: &BudgetDetail, hidden_amounts: bool) -> Value {
    let mut budget = Map::new();
    budget.insert("name".to_owned(), detail.meter.as_str().into());
    budget.insert("transient".to_owned(), detail.transient.into());
    budget.insert("resets_at".to_owned(), detail.resets_at.to_string().into());
    if !hidden_amounts {
        for (name, amount) in [
            ("limit", detail.limit),
            ("used", detail.used),
            ("held", detail.held),
            ("remaining", detail.remaining()),
            ("requested", detail.requested),
        ] {
            budget.insert(name.to_owned(), amount_value(detail.meter, amount));
        }
    }
    budget.into()
}

fn amount_value(meter: Meter, amount: i128) -> Value {
    match meter {
        Meter::DailySpend | Meter::MonthlySpend => message::money(amount).to_string().into(),
        Meter::DailyTokens => u64::try_from(amount.max(0)).unwrap_or(u64::MAX).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::denial::tests::day;
    use super::super::reason::Reason;
    use super::*;

    const USD: i128 = 1_000_000_000_000;

    #[test]
    fn every_openai_error_has_its_four_members_and_a_code() {
        for reason in Reason::ALL {
            let body = Denial::new(reason).body(Dialect::OpenAi);
            let error = body["error"].as_object().unwrap();
            assert_eq!(error.keys().collect::<Vec<_>>(), ["code", "message", "param", "type"], "{reason}");
            assert!(error["code"].is_string() && error["type"].is_string() && error["message"].is_string());
        }
    }

    #[test]
    fn a_final_budget_is_a_quota_and_a_transient_one_a_rate_limit() {
        let last = Denial::budget(day(25 * USD, 25 * USD, 0, USD)).body(Dialect::OpenAi);
        assert_eq!(last["error"]["type"], "insufficient_quota");
        assert_eq!(last["error"]["code"], "insufficient_quota");
        assert_eq!(
            last["error"]["budget"],
            json!({
                "name": "daily_spend", "limit": "25.00", "used": "25.00", "held": "0.00", "remaining": "0.00",
                "requested": "1.00", "resets_at": "2026-11-24T00:00:00Z", "transient": false
            })
        );
        let soon = Denial::budget(day(25 * USD, 20 * USD, 5 * USD, USD)).body(Dialect::OpenAi);
        assert_eq!(soon["error"]["type"], "rate_limit_error");
        assert_eq!(soon["error"]["code"], "rate_limit_exceeded");
        assert_eq!(soon["error"]["budget"]["transient"], true);
    }

    #[test]
    fn tokens_are_integers() {
        let detail = BudgetDetail { meter: Meter::DailyTokens, ..day(100, 90, 5, 20) };
        let body = Denial::budget(detail).body(Dialect::OpenAi);
        assert_eq!(body["error"]["budget"]["remaining"], json!(5));
    }

    #[test]
    fn hidden_amounts_are_nowhere_on_the_wire() {
        let denial = Denial::budget(day(77 * USD, 77 * USD, 0, 78 * USD)).with_hidden_amounts();
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            let body = denial.body(dialect);
            assert!(!body.to_string().contains("77") && !body.to_string().contains("78"), "{body}");
            assert_eq!(body["error"]["budget"]["resets_at"], "2026-11-24T00:00:00Z");
        }
    }

    #[test]
    fn anthropic_clients_get_their_own_shape() {
        let body = Denial::model(Reason::ModelNotAllowed, Some("claude")).body(Dialect::Anthropic);
        assert_eq!(body["type"], "error");
        assert_eq!(body["error"]["type"], "permission_error");
        assert_eq!(body["error"].as_object().unwrap().len(), 2);
    }

    #[test]
    fn an_event_is_one_line_of_data_whatever_the_model_is_called() {
        let denial = Denial::model(Reason::ModelNotAllowed, Some("a\n\ndata: x\r\u{2028}"));
        let event = denial.sse_event(Dialect::OpenAi);
        assert!(event.starts_with("data: {\"error\":") && event.ends_with("}\n\n"));
        assert_eq!(event.trim_end().lines().count(), 1);
        let event = denial.sse_event(Dialect::Anthropic);
        assert!(event.starts_with("event: error\ndata: {") && event.ends_with("}\n\n"));
        assert_eq!(event.trim_end().lines().count(), 2);
    }
}
