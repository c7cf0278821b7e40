//! What a `sqlite:` URL says.

use std::path::{Path, PathBuf};

use super::OpenError;

/// What may be lost. No call is answered before it is as safe as this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// `durability=full`, the default: neither a crash of the process nor a power cut loses anything that was
    /// acknowledged.
    #[default]
    Full,
    /// `durability=normal`: a crash of the process loses nothing; a power cut may lose the last calls (commonly those of
    /// the last seconds), and never damages the file.
    Normal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) path: PathBuf,
    pub(super) durability: Durability,
}

impl Options {
    /// Reads `sqlite:///relative.db` and `sqlite:////absolute.db`, with options behind a `?`.
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let form = || OpenError::Url("must be sqlite:///relative.db or sqlite:////absolute.db".to_owned());
        let rest = url.strip_prefix("sqlite:///").ok_or_else(form)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if path == ":memory:" {
            return Err(OpenError::Url(
                "must name a file; budgets that live in memory alone are memory:".to_owned(),
            ));
        }
        let path = Path::new(path);
        if path.file_name().is_none() || rest.ends_with('/') {
            return Err(form());
        }
        let mut options = Self { path: path.to_owned(), durability: Durability::default() };
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=').unwrap_or((option, "")) {
                ("durability", "full") => options.durability = Durability::Full,
                ("durability", "normal") => options.durability = Durability::Normal,
                ("durability", other) => {
                    return Err(OpenError::Url(format!("durability must be full or normal, not `{other}`")));
                }
                (name, _) => {
                    return Err(OpenError::Url(format!(
                        "has no option `{name}`; there is durability=full|normal"
                    )));
                }
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(url: &str) -> String {
        Options::parse(url).unwrap().path.display().to_string()
    }

    #[test]
    fn three_slashes_are_relative_and_four_absolute() {
        assert_eq!(path("sqlite:///enclava.db"), "enclava.db");
        assert_eq!(path("sqlite:///data/a b%20.db"), "data/a b%20.db");
        assert_eq!(path("sqlite:////var/lib/enclava.db?durability=normal"), "/var/lib/enclava.db");
    }

    #[test]
    fn what_others_call_memory_is_no_file() {
        let refused = Options::parse("sqlite:///:memory:").unwrap_err().to_string();
        assert!(refused.contains("memory:"), "{refused}");
    }

    #[test]
    fn full_is_the_default() {
        let durability = |url| Options::parse(url).unwrap().durability;
        assert_eq!(durability("sqlite:///a.db"), Durability::Full);
        assert_eq!(durability("sqlite:///a.db?durability=full"), Durability::Full);
        assert_eq!(durability("sqlite:///a.db?durability=normal"), Durability::Normal);
    }

    #[test]
    fn anything_else_is_told_what_is_right() {
        for (url, message) in [
            ("sqlite:a.db", "must be sqlite:///relative.db or sqlite:////absolute.db"),
            ("sqlite://a.db", "must be sqlite:///relative.db or sqlite:////absolute.db"),
            ("sqlite:///", "must be sqlite:///relative.db or sqlite:////absolute.db"),
            ("sqlite:////var/lib/", "must be sqlite:///relative.db or sqlite:////absolute.db"),
            ("sqlite:///..", "must be sqlite:///relative.db or sqlite:////absolute.db"),
            ("sqlite:///a.db?durability=off", "durability must be full or normal, not `off`"),
            ("sqlite:///a.db?sync=full", "has no option `sync`; there is durability=full|normal"),
        ] {
            assert_eq!(Options::parse(url), Err(OpenError::Url(message.to_owned())), "{url}");
        }
    }
}
