//! The words of a denial: what happened and what to do, for the developer of the client.

use std::fmt::Write;

use super::denial::{BudgetDetail, Detail};
use super::reason::Reason;
use crate::budget::{Meter, Money};
use crate::text::is_hidden;

pub(super) fn of(reason: Reason, detail: &Detail, hidden_amounts: bool) -> String {
    match detail {
        Detail::Budget(detail) if hidden_amounts => budget_without_amounts(detail),
        Detail::Budget(detail) => budget(detail),
        Detail::Model(name) => model(reason, name),
        Detail::Ambiguous => {
            "Ambiguous credentials: this request carries two different API keys. Send one, in one header."
                .to_owned()
        }
        Detail::NotBearer => {
            "No API key was found: the Authorization header does not start with `Bearer`. Send \
                              `Authorization: Bearer YOUR_API_KEY`."
                .to_owned()
        }
        Detail::Invalid(argument) => {
            let (field, what) = **argument;
            format!("The gateway made a mistake: {field} {what}.")
        }
        Detail::Conflict(what) => format!("The gateway made a mistake: {what}."),
        Detail::None => plain(reason).to_owned(),
    }
}

fn plain(reason: Reason) -> &'static str {
    match reason {
        Reason::MissingKey => "No API key was sent. Send it as `Authorization: Bearer YOUR_API_KEY`.",
        Reason::MalformedKey => {
            "Malformed API key: a key is 8 to 512 visible ASCII characters. Check that it was copied whole, without \
             spaces, quotes or line breaks."
        }
        Reason::UnknownKey => {
            "Incorrect API key provided. Check that the key was copied whole and that it belongs to this service."
        }
        Reason::SecretRetired => {
            "This API key was replaced when it was rotated and has ended. Use the new key that was issued then."
        }
        Reason::KeyRevoked => "This API key has been revoked. Ask its owner for a new one.",
        Reason::KeyDisabled => "This API key is disabled. Ask its owner to enable it.",
        Reason::KeyNotYetValid => "This API key is not valid yet. Ask its owner when it starts.",
        Reason::KeyExpired => "This API key has expired. Ask its owner for a new one.",
        Reason::IpNotAllowed => {
            "Address not allowed: this API key may not be used from this network address. Ask its owner to allow the \
             address."
        }
        Reason::EndpointNotAllowed => {
            "Endpoint not allowed: this API key may not be used for this endpoint. Ask its owner to allow it."
        }
        Reason::PurposeNotAllowed => {
            "Purpose not allowed: this API key is for another purpose than this request's. Use the key made for it."
        }
        Reason::ModelMissing => {
            "The request names no model, without which this API key cannot be checked. Send `model` as a string."
        }
        Reason::ModelNotAllowed => {
            "Model not allowed: this API key may not use the requested model (model names are case-sensitive and must \
             match exactly). Ask the key's owner to check its allowed models."
        }
        Reason::ModelNotPriced => {
            "What this request may use cannot be bounded, and this API key has a limit that could not be kept. State a \
             maximum of output tokens, use another model, or ask the operator for its price."
        }
        Reason::RateLimited => "Too many requests of this API key are in flight. Retry shortly.",
        Reason::DailySpendExceeded => "Daily spend limit reached.",
        Reason::MonthlySpendExceeded => "Monthly spend limit reached.",
        Reason::DailyTokensExceeded => "Daily token limit reached.",
        Reason::LedgerUnavailable => {
            "The budget of this API key cannot be checked right now. Nothing was charged. Retry shortly."
        }
        Reason::InternalError => "Internal error while checking this API key. Nothing was charged.",
    }
}

fn model(reason: Reason, name: &str) -> String {
    let name = escaped(name);
    match reason {
        Reason::ModelNotAllowed => format!(
            "Model not allowed: this API key may not use `{name}` (model names are case-sensitive and must match \
             exactly). Ask the key's owner to check its allowed models."
        ),
        Reason::ModelNotPriced => format!(
            "What this request may use of `{name}` cannot be bounded, and this API key has a limit that could not be kept. \
             State a maximum of output tokens, use another model, or ask the operator for its price."
        ),
        other => plain(other).to_owned(),
    }
}

// Escaped so that a log or a terminal shows what was sent: control characters, and all others that do not show and so
// make two names look alike. The plain space is left: the marks around the name show it.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for char in name.chars() {
        if char != ' ' && is_hidden(char) {
            text.extend(char.escape_default());
        } else {
            text.push(char);
        }
    }
    text
}

fn budget(detail: &BudgetDetail) -> String {
    let BudgetDetail { meter, limit, requested, resets_at, .. } = *detail;
    let (name, show) = (name(meter), |amount| amount_text(meter, amount));
    let (cap, left) = (show(limit), show(detail.remaining()));
    let mut text = if limit <= 0 {
        format!("{name} of {cap} admits no requests. Ask the key's owner for a limit.")
    } else if detail.transient {
        format!(
            "{name} of {cap} is taken up by requests in flight; {left} remains until they end. Retry shortly."
        )
    } else if !detail.may_fit() {
        format!(
            "{name} of {cap} reached; {left} remains until {resets_at}. Retry then, or ask the key's owner to raise it."
        )
    } else if detail.never_fits() {
        format!(
            "{name} of {cap} is less than this request may take ({}). Send a smaller request (a lower max_tokens).",
            show(requested)
        )
    } else {
        format!(
            "{name} of {cap} would be passed: this request may take {} and {left} remains until {resets_at}. Send a \
             smaller request (a lower max_tokens), or retry then.",
            show(requested)
        )
    };
    if detail.held > 0 && !detail.transient {
        // Writing to a String cannot fail.
        let _ = write!(text, " ({} is held by requests in flight.)", show(detail.held));
    }
    text
}

fn budget_without_amounts(detail: &BudgetDetail) -> String {
    let name = name(detail.meter);
    if detail.transient {
        format!("{name} is taken up by requests in flight. Retry shortly.")
    } else {
        format!("{name} reached; it resets at {}. Retry then, or ask the key's owner.", detail.resets_at)
    }
}

fn name(meter: Meter) -> &'static str {
    match meter {
        Meter::DailySpend => "Daily spend limit",
        Meter::MonthlySpend => "Monthly spend limit",
        Meter::DailyTokens => "Daily token limit",
    }
}

fn amount_text(meter: Meter, amount: i128) -> String {
    match meter {
        Meter::DailySpend | Meter::MonthlySpend => format!("${}", money(amount)),
        Meter::DailyTokens => format!("{amount} tokens"),
    }
}

// A sum of many calls may pass what one amount can hold; it is shown as the largest amount.
pub(super) fn money(picos: i128) -> Money {
    Money::from_picos(picos.max(0)).unwrap_or(Money::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::denial::tests::day;
    use super::super::denial::{BudgetDetail, Denial};
    use super::*;

    const USD: i128 = 1_000_000_000_000;

    #[test]
    fn a_budget_message_says_which_how_much_and_when() {
        for (detail, message) in [
            (
                day(25 * USD, 25 * USD, 0, USD / 20),
                "Daily spend limit of $25.00 reached; $0.00 remains until 2026-11-24T00:00:00Z. Retry then, or ask \
                 the key's owner to raise it.",
            ),
            (
                day(25 * USD, 24 * USD, USD / 2, 3 * USD),
                "Daily spend limit of $25.00 would be passed: this request may take $3.00 and $0.50 remains until \
                 2026-11-24T00:00:00Z. Send a smaller request (a lower max_tokens), or retry then. ($0.50 is held by \
                 requests in flight.)",
            ),
            (
                day(25 * USD, 24 * USD, USD, USD),
                "Daily spend limit of $25.00 is taken up by requests in flight; $0.00 remains until they end. Retry \
                 shortly.",
            ),
            (
                day(USD, 0, 0, 3 * USD),
                "Daily spend limit of $1.00 is less than this request may take ($3.00). Send a smaller request (a \
                 lower max_tokens).",
            ),
            (
                day(0, 0, 0, 1),
                "Daily spend limit of $0.00 admits no requests. Ask the key's owner for a limit.",
            ),
        ] {
            assert_eq!(Denial::budget(detail).message(), message);
        }
        let tokens = BudgetDetail { meter: Meter::DailyTokens, ..day(500_000, 500_001, 0, 10) };
        assert!(
            Denial::budget(tokens)
                .message()
                .starts_with("Daily token limit of 500000 tokens reached; 0 tokens")
        );
    }

    #[test]
    fn hidden_amounts_leave_the_name_and_the_reset() {
        for detail in [day(25 * USD, 25 * USD, 0, 1), day(7 * USD, 0, 7 * USD, USD), day(USD, 0, 0, 3 * USD)]
        {
            let message = Denial::budget(detail).with_hidden_amounts().message();
            assert!(message.starts_with("Daily spend limit ") && !message.contains('$'), "{message}");
        }
    }

    #[test]
    fn the_model_message_names_what_was_asked_and_nothing_else() {
        let message = Denial::model(Reason::ModelNotAllowed, Some("gpt-4\n\u{1b}[31m\u{200b}")).message();
        assert!(message.starts_with("Model not allowed: "), "{message}");
        assert!(message.contains("`gpt-4\\n\\u{1b}[31m\\u{200b}`"), "{message}");
        assert!(message.contains("case-sensitive and must match exactly"), "{message}");
        let long = Denial::model(Reason::ModelNotAllowed, Some(&"é".repeat(10_000))).message();
        assert_eq!(long.matches('é').count(), 256);
        assert!(Denial::model(Reason::ModelNotAllowed, None).message().starts_with("Model not allowed: "));
    }

    #[test]
    fn every_reason_has_words_that_end() {
        for reason in Reason::ALL {
            assert!(Denial::new(reason).to_string().ends_with('.'), "{reason}");
        }
    }
}
