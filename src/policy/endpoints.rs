//! Which endpoints of the gateway a key may call.

use std::fmt;

use super::glob::Glob;

const MAX_LEN: usize = 256;

/// The endpoints a key may call; an empty list is all of them.
///
/// An entry is a path (`/v1/models`), or all below one (`/v1/*`), for every method or for one
/// (`POST /v1/chat/completions`). A request's path must be in its plain form: one with escapes, dot segments or
/// empty segments is refused, because what the router makes of it is not ours to guess.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EndpointRules(Vec<Box<str>>);

/// Why a text is not an entry of [`EndpointRules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Empty, or nothing but white space.
    #[error("must not be blank")]
    Blank,
    /// Not a path, or not a method and a path.
    #[error(
        "must be a path such as /v1/models or /v1/*, after a method such as POST if only that one is meant"
    )]
    Syntax,
    /// With `..`, `//`, `%`, a query or anything else that a plain path does not have.
    #[error("must be a plain path: no dot segments, empty segments, escapes, query or parameters")]
    Odd,
    /// A `*` other than a last segment of its own.
    #[error("may use `*` only as the last segment")]
    Wildcard,
    /// Longer than a path is expected to be.
    #[error("must be at most {MAX_LEN} bytes")]
    TooLong,
}

impl EndpointRules {
    /// The longest list that a key's record may hold.
    pub const MAX_ENTRIES: usize = 256;

    /// Every endpoint.
    pub const fn any() -> Self {
        Self(Vec::new())
    }

    /// Reads a list of entries. An entry that repeats an earlier one is dropped.
    ///
    /// # Errors
    /// The first [`EndpointError`].
    pub fn new<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, EndpointError> {
        let mut rules = Self::any();
        for entry in entries {
            rules.push(entry.as_ref())?;
        }
        rules.0.shrink_to_fit();
        Ok(rules)
    }

    /// Adds one entry.
    pub(crate) fn push(&mut self, entry: &str) -> Result<(), EndpointError> {
        check_entry(entry)?;
        if !self.iter().any(|listed| listed == entry) {
            self.0.push(entry.into());
        }
        Ok(())
    }

    /// Whether some endpoint, or a request without one, is refused.
    pub fn is_restricted(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether a request to `endpoint` may pass: a path, or a method and a path (`POST /v1/embeddings`). An entry
    /// for one method does not match a request that states none.
    pub fn permits(&self, endpoint: &str) -> bool {
        if !self.is_restricted() {
            return true;
        }
        let (method, path) = split(endpoint);
        let well_formed = method.is_none_or(is_method) && is_plain(path) && path.len() <= 8 * MAX_LEN;
        well_formed && self.admits(method, Glob::Exact(path.as_bytes()))
    }

    /// The entries, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| &**entry)
    }

    /// Whether a request that these rules refuse could pass under `new`.
    pub fn is_widened_by(&self, new: &Self) -> bool {
        if !self.is_restricted() {
            return false;
        }
        // A request without a method stands for every method that no entry names.
        let methods = || self.iter().chain(new.iter()).map(|entry| split(entry).0).chain([None]);
        let mut paths = self.iter().chain(new.iter()).map(|entry| Glob::new(split(entry).1.as_bytes()));
        !new.is_restricted()
            || paths
                .any(|path| methods().any(|method| new.admits(method, path) && !self.admits(method, path)))
    }

    fn admits(&self, method: Option<&str>, path: Glob<'_>) -> bool {
        self.iter().map(split).any(|(only, pattern)| {
            only.is_none_or(|only| method == Some(only)) && Glob::new(pattern.as_bytes()).admits(path)
        })
    }
}

impl fmt::Debug for EndpointRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

fn check_entry(entry: &str) -> Result<(), EndpointError> {
    if entry.trim().is_empty() {
        return Err(EndpointError::Blank);
    }
    if entry.len() > MAX_LEN {
        return Err(EndpointError::TooLong);
    }
    let (method, path) = split(entry);
    if !path.starts_with('/') || !method.is_none_or(is_method) {
        return Err(EndpointError::Syntax);
    }
    let literal = if path.ends_with("/*") { path.trim_end_matches('*') } else { path };
    if literal.contains('*') {
        return Err(EndpointError::Wildcard);
    }
    if is_plain(literal) { Ok(()) } else { Err(EndpointError::Odd) }
}

fn split(endpoint: &str) -> (Option<&str>, &str) {
    endpoint.split_once(' ').map_or((None, endpoint), |(method, path)| (Some(method), path))
}

fn is_method(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

// A path that every router reads alike. `;` is out because some servers cut it off and resolve `..;` as `..`.
fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b'?' | b'#' | b';');
    let Some(below) = path.strip_prefix('/') else { return false };
    let segments = below.strip_suffix('/').unwrap_or(below);
    path.bytes().all(plain)
        && (below.is_empty() || segments.split('/').all(|segment| !matches!(segment, "" | "." | "..")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(entries: &[&str]) -> EndpointRules {
        EndpointRules::new(entries).unwrap()
    }

    #[test]
    fn paths_and_methods_match() {
        let rules = rules(&["POST /v1/chat/completions", "/v1/models", "GET /v1/files/*"]);
        for endpoint in ["POST /v1/chat/completions", "/v1/models", "GET /v1/models", "GET /v1/files/a/b"] {
            assert!(rules.permits(endpoint), "{endpoint}");
        }
        for endpoint in [
            "/v1/chat/completions",
            "GET /v1/chat/completions",
            "/v1/models/",
            "/v1/models/x",
            "GET /v1/files/",
            "GET /v1/files",
            "POST /v1/files/a",
            "/V1/models",
            "",
            "v1/models",
            "post /v1/chat/completions",
        ] {
            assert!(!rules.permits(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn odd_paths_are_refused_even_where_everything_below_is_allowed() {
        let rules = rules(&["/v1/*"]);
        assert!(rules.permits("/v1/models/openai/gpt-4:free") && rules.permits("/v1/a/"));
        for path in [
            "/v1/../admin",
            "/v1/..",
            "/v1/./a",
            "/v1//a",
            "/v1/%2e%2e/admin",
            "/v1/a%2fb",
            "/v1/a?b=c",
            "/v1/a#b",
            "/v1/a\\b",
            "/v1/..;/admin",
            "/v1/a\n",
            "/v1/é",
            "/v1/a b",
            "//v1/a",
        ] {
            assert!(!rules.permits(path), "{path:?}");
        }
        assert!(EndpointRules::any().permits("whatever"));
    }

    #[test]
    fn entries_that_would_never_match_are_refused() {
        let error = |text| EndpointRules::new([text]).unwrap_err();
        assert_eq!(error(" "), EndpointError::Blank);
        for text in ["v1/models", "get /v1/models", "GET", "*", "GET  /v1", "/v1/a b", "https://a/b"] {
            assert_eq!(error(text), EndpointError::Syntax, "{text}");
        }
        for text in ["/v1/../a", "/v1//a", "/v1/a%2Fb", "/v1/a?b", "//*", "/v1//*", "/é"] {
            assert_eq!(error(text), EndpointError::Odd, "{text}");
        }
        for text in ["/v1/*/a", "/v1/a*", "/**"] {
            assert_eq!(error(text), EndpointError::Wildcard, "{text}");
        }
        assert_eq!(error(&format!("/{}", "x".repeat(256))), EndpointError::TooLong);
        assert!(rules(&["/*", "/"]).permits("/anything"));
    }

    #[test]
    fn what_widens() {
        for (old, new, widens) in [
            (&["/v1/*"][..], &["/v1/models"][..], false),
            (&["/v1/models"], &["/v1/*"], true),
            (&["/v1/models"], &["GET /v1/models"], false),
            (&["GET /v1/models"], &["/v1/models"], true),
            (&["GET /v1/models"], &["POST /v1/models"], true),
            (&["/v1/*"], &[], true),
            (&[], &["/v1/*"], false),
            (&["/*"], &["/v1/*", "POST /x"], false),
        ] {
            assert_eq!(rules(old).is_widened_by(&rules(new)), widens, "{old:?} -> {new:?}");
        }
    }

    proptest! {
        #[test]
        fn widening_agrees_with_trying_every_endpoint(
            old in proptest::collection::vec("(A |B )?/[ab](/[ab])?(/\\*)?|/\\*", 0..5),
            new in proptest::collection::vec("(A |B )?/[ab](/[ab])?(/\\*)?|/\\*", 0..5),
        ) {
            let (before, after) = (EndpointRules::new(&old).unwrap(), EndpointRules::new(&new).unwrap());
            let mut paths = vec![String::new()];
            for _ in 0..3 {
                paths = paths.iter().flat_map(|p| ["", "/a", "/b", "/z"].map(|s| format!("{p}{s}"))).collect();
            }
            let mut some = before.is_restricted() && !after.is_restricted();
            for path in paths.iter().flat_map(|path| [path.clone(), format!("{path}/")]) {
                for method in ["", "A ", "B ", "C "] {
                    let endpoint = format!("{method}{path}");
                    some |= after.permits(&endpoint) && !before.permits(&endpoint);
                }
            }
            prop_assert_eq!(before.is_widened_by(&after), some);
        }

        #[test]
        fn what_passes_is_below_and_plain(endpoint in "(GET )?/v1(/|/[a/.%?;#\\\\*é ]{1,8})|\\PC{0,40}") {
            let path = endpoint.strip_prefix("GET ").unwrap_or(&endpoint);
            let below = path.strip_prefix("/v1/").unwrap_or_default();
            let odd = below.contains(['%', '?', ';', '#', '\\', 'é', ' ']) || format!("/{below}").contains("//");
            let dots = below.split('/').any(|segment| segment == "." || segment == "..");
            if rules(&["/v1/*"]).permits(&endpoint) {
                prop_assert!(!below.is_empty() && !odd && !dots);
            } else {
                prop_assert!(below.is_empty() || odd || dots || !below.is_ascii());
            }
        }
    }
}
