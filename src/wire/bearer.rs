//! The API key among the headers of a request.

use super::denial::Denial;

/// Which headers may carry a key besides `Authorization: Bearer`. None by default: a header that a gateway does not
/// know about is one that its proxies and logs do not know to hide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BearerOptions {
    /// Also `x-api-key`, as Anthropic's clients send it.
    pub x_api_key: bool,
    /// Also `api-key`, as Azure's clients send it.
    pub api_key: bool,
    /// Also `x-goog-api-key`, as Gemini's clients send it.
    pub x_goog_api_key: bool,
}

impl BearerOptions {
    /// Every header that clients in use send a key in.
    pub const ALL: Self = Self { x_api_key: true, api_key: true, x_goog_api_key: true };

    fn takes(self, name: &str) -> bool {
        (self.x_api_key && name.eq_ignore_ascii_case("x-api-key"))
            || (self.api_key && name.eq_ignore_ascii_case("api-key"))
            || (self.x_goog_api_key && name.eq_ignore_ascii_case("x-goog-api-key"))
    }
}

/// Finds the key among `headers` (name and value, in any order, names in any case), without judging its shape.
///
/// The scheme `Bearer` may be in any case and is followed by spaces or tabs; spaces and tabs around the key are no
/// part of it, and nothing else is trimmed. A key in the query of a URL is never looked for: URLs are logged.
///
/// # Errors
/// A denial for [`MissingKey`](super::Reason::MissingKey) when there is no key or an empty one, or when
/// `Authorization` is of another scheme, such as `Basic`, and no other header has a key: that header may well be
/// meant for a proxy on the way, so it is no key and not a bad one. A denial for
/// [`MalformedKey`](super::Reason::MalformedKey) when two headers carry different keys; the same key twice is one.
pub fn bearer<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    options: &BearerOptions,
) -> Result<&'a [u8], Denial> {
    let mut found: Option<&[u8]> = None;
    let mut other_scheme = false;
    for (name, value) in headers {
        let value = trimmed(value);
        let key = if name.eq_ignore_ascii_case("authorization") {
            let key = after_bearer(value);
            other_scheme |= key.is_none() && !value.is_empty();
            key.unwrap_or_default()
        } else if options.takes(name) {
            value
        } else {
            continue;
        };
        match found {
            _ if key.is_empty() => {}
            Some(first) if first != key => return Err(Denial::ambiguous()),
            _ => found = Some(key),
        }
    }
    found.ok_or_else(
        || {
            if other_scheme { Denial::not_bearer() } else { Denial::new(super::Reason::MissingKey) }
        },
    )
}

// What follows the scheme `Bearer`; `None` if the scheme is another one.
fn after_bearer(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(|&byte| is_ows(byte)).unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(end)?;
    scheme.eq_ignore_ascii_case(b"bearer").then(|| trimmed(rest))
}

// Only what HTTP calls optional white space: a line feed or a no-break space is part of the key, and refused with it.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = value
        && is_ows(*first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && is_ows(*last)
    {
        value = rest;
    }
    value
}

fn is_ows(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Reason;
    use super::*;

    fn find<'a>(headers: &[(&'a str, &'a str)], options: BearerOptions) -> Result<&'a str, Reason> {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        bearer(headers, &options)
            .map(|key| std::str::from_utf8(key).unwrap())
            .map_err(|denial| denial.reason())
    }

    #[test]
    fn spellings_of_one_key() {
        for value in ["Bearer en_1", "bearer en_1", "BEARER   en_1", "Bearer\ten_1", " \tBearer \t en_1\t "] {
            for name in ["authorization", "Authorization", "AUTHORIZATION"] {
                assert_eq!(find(&[(name, value)], BearerOptions::default()), Ok("en_1"), "{value}");
            }
        }
    }

    #[test]
    fn only_spaces_and_tabs_are_trimmed() {
        for (value, key) in
            [("Bearer en_1\n", "en_1\n"), ("Bearer \u{a0}en_1", "\u{a0}en_1"), ("Bearer a b", "a b")]
        {
            assert_eq!(find(&[("authorization", value)], BearerOptions::default()), Ok(key));
        }
    }

    #[test]
    fn no_key_is_missing_and_not_malformed() {
        for value in [
            "",
            " ",
            "Bearer",
            "Bearer ",
            "bearer\t",
            "Basic dXNlcjpwYXNz",
            "en_1",
            "Bearer:en_1",
            "Bearerен",
        ] {
            let found = find(&[("authorization", value)], BearerOptions::ALL);
            assert_eq!(found, Err(Reason::MissingKey), "{value:?}");
        }
        assert_eq!(find(&[], BearerOptions::ALL), Err(Reason::MissingKey));
        assert_eq!(find(&[("x-api-key", " ")], BearerOptions::ALL), Err(Reason::MissingKey));
    }

    #[test]
    fn other_headers_count_only_when_asked_for() {
        for name in ["x-api-key", "X-Api-Key", "api-key", "x-goog-api-key"] {
            assert_eq!(find(&[(name, "en_1")], BearerOptions::default()), Err(Reason::MissingKey));
            assert_eq!(find(&[(name, " en_1 ")], BearerOptions::ALL), Ok("en_1"));
        }
        let anthropic = BearerOptions { x_api_key: true, ..BearerOptions::default() };
        assert_eq!(find(&[("api-key", "en_1")], anthropic), Err(Reason::MissingKey));
    }

    #[test]
    fn two_different_keys_are_never_guessed_between() {
        let twice = [("authorization", "Bearer en_1"), ("x-api-key", "en_1")];
        assert_eq!(find(&twice, BearerOptions::ALL), Ok("en_1"));
        for second in [("x-api-key", "en_2"), ("authorization", "Bearer en_2")] {
            let both = [("authorization", "Bearer en_1"), second];
            assert_eq!(find(&both, BearerOptions::ALL), Err(Reason::MalformedKey));
        }
        let headers = [("x-api-key", &b"en_1"[..]), ("api-key", &b"en_2"[..])];
        let message = bearer(headers, &BearerOptions::ALL).unwrap_err().message();
        assert!(message.starts_with("Ambiguous credentials") && !message.contains("en_"), "{message}");
    }

    #[test]
    fn a_proxys_basic_credentials_do_not_hide_the_key() {
        let headers = [("authorization", "Basic dXNlcjpwYXNz"), ("x-api-key", "en_1")];
        assert_eq!(find(&headers, BearerOptions::ALL), Ok("en_1"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_part_of_the_input_or_an_error(value: Vec<u8>, other: Vec<u8>) {
            let headers = [("authorization", &value[..]), ("x-api-key", &other[..])];
            if let Ok(key) = bearer(headers, &BearerOptions::ALL) {
                prop_assert!(!key.is_empty() && (value.ends_with(trimmed(key)) || trimmed(&other) == key || trimmed(&value).ends_with(key)));
            }
        }
    }
}
