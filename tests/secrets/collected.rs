//! What was printed, and the search for secrets in it.

use std::any::type_name;
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};

use enclava_keys::gate::NewKey;
use enclava_keys::key::Peppers;
use enclava_keys::wire::Dialect;
use enclava_keys::{Denial, Error, Key, Permit};

/// Everything that was printed, and what must not be in it.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) outputs: Vec<String>,
    // Records as they are stored hold the hashes, and nothing more.
    pub(crate) stored: Vec<String>,
    pub(crate) secrets: BTreeSet<String>,
    /// The types of what was printed, by the paths of their modules.
    pub(crate) types: BTreeSet<String>,
}

impl Collected {
    pub(crate) fn debug<T: Debug>(&mut self, value: &T) {
        self.saw(type_name::<T>());
        self.outputs.push(format!("{value:?}"));
        self.outputs.push(format!("{value:#?}"));
    }

    pub(crate) fn both(&mut self, value: &(impl Debug + Display)) {
        self.debug(value);
        self.outputs.push(value.to_string());
        // What somebody reads who unwraps it.
        let unwrapped = |failed: Result<(), _>| failed.expect("a panic that is meant");
        let panicked = catch_unwind(AssertUnwindSafe(|| unwrapped(Err(value))));
        let payload = panicked.expect_err("an error that was unwrapped panics");
        self.outputs.extend(payload.downcast_ref::<String>().cloned());
    }

    pub(crate) fn json<T: serde::Serialize>(&mut self, value: &T) {
        self.saw(type_name::<T>());
        self.outputs.push(serde_json::to_string(value).expect("what is serialized has JSON"));
    }

    pub(crate) fn denial(&mut self, denial: &Denial) {
        self.both(denial);
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            self.json(&denial.body(dialect));
            self.outputs.push(denial.sse_event(dialect));
        }
        self.debug(&denial.headers());
        self.outputs.push(denial.message());
        self.debug(&denial.budget_detail());
    }

    pub(crate) fn error(&mut self, error: &Error) {
        self.both(error);
        match error {
            Error::Denied(denial) => self.denial(denial),
            Error::InvalidRecord(invalid) => {
                self.json(invalid);
                invalid.errors.iter().for_each(|fault| self.debug(fault));
            }
            _ => {}
        }
    }

    pub(crate) fn key(&mut self, key: &Key) {
        self.debug(key);
        self.json(key);
        self.outputs.push(key.to_json());
        self.debug(&key.policy());
        self.debug(&key.hint());
        self.outputs.extend(key.hint().map(|hint| hint.to_string()));
        key.secrets().for_each(|secret| self.debug(&secret));
        self.stored.push(key.to_record_json());
    }

    pub(crate) fn made(&mut self, made: &NewKey) {
        self.secrets.insert(made.secret.reveal().to_owned());
        self.debug(made);
        self.both(&made.secret);
        self.key(&made.key);
    }

    pub(crate) fn permit(&mut self, permit: &Permit) {
        self.debug(permit);
        self.outputs.push(permit.id().to_string());
        self.debug(&permit.id());
        self.key(permit.key());
    }

    // Every type of ours that is named, whatever it is inside of.
    fn saw(&mut self, name: &str) {
        let paths = name.split(|char: char| !(char.is_alphanumeric() || char == '_' || char == ':'));
        self.types.extend(paths.filter_map(|path| path.strip_prefix("enclava_keys::")).map(str::to_owned));
    }

    /// Looks for nine characters in a row of any secret or digest: a hint shows two times four characters of a secret,
    /// and `Debug` of a digest its first eight.
    pub(crate) fn search(&self) {
        let bodies = self.secrets.iter().map(|secret| secret.rsplit('_').next().unwrap_or_default());
        let bodies: Vec<&str> = bodies.collect();
        let digests: Vec<String> = self.secrets.iter().map(|secret| digest_of(secret)).collect();
        let of_secrets: BTreeSet<&[u8]> =
            bodies.iter().flat_map(|body| body.as_bytes().windows(PART)).collect();
        let of_digests: BTreeSet<&[u8]> =
            digests.iter().flat_map(|hex| hex.as_bytes().windows(PART)).collect();
        // A secret as a list of bytes, which is how `Debug` shows those.
        let bytes =
            |body: &&str| body.bytes().take(4).map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        let lists: Vec<String> = bodies.iter().map(bytes).collect();
        for output in self.outputs.iter().chain(&self.stored).collect::<BTreeSet<_>>() {
            assert!(!holds(output, &of_secrets), "a secret is in {output}");
            assert!(!lists.iter().any(|list| output.contains(list)), "the bytes of a secret are in {output}");
        }
        for output in self.outputs.iter().collect::<BTreeSet<_>>() {
            assert!(!holds(output, &of_digests), "the digest of a secret is in {output}");
        }
    }
}

/// More in a row than is ever shown.
const PART: usize = 9;

fn holds(output: &str, parts: &BTreeSet<&[u8]>) -> bool {
    output.as_bytes().windows(PART).any(|part| parts.contains(part))
}

// The digest as it is stored, in hex.
pub(crate) fn digest_of(secret: &str) -> String {
    Peppers::none().hash(secret.as_bytes()).to_string().split_off("sha256:".len())
}
