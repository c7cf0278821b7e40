//! Every step and its fields.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::expect::Expect;
use super::names;

macro_rules! steps {
    ($($word:literal $name:ident { $($(#[$meta:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        /// One thing that is done to the gate.
        #[derive(Debug)]
        pub(super) enum Step { $($name($name)),* }

        $(
            #[derive(Debug, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub(super) struct $name {
                #[serde(rename = "do")]
                _do: String,
                $($(#[$meta])* pub(super) $field: $type),*
            }
        )*

        impl Step {
            /// Reads one step; a field or a step that is not known is an error, and so is an expectation that is missing.
            pub(super) fn read(text: &str) -> Result<Self, String> {
                let Head { does } = serde_json::from_str(text).map_err(|error| error.to_string())?;
                match does.as_str() {
                    $($word => serde_json::from_str(text).map(Self::$name).map_err(|error| error.to_string()),)*
                    other => Err(format!("there is no step {other:?}")),
                }
                .and_then(Self::checked)
            }
        }
    };
}

// Only to find out which step it is.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "do")]
    does: String,
}

steps! {
    "clock" Clock { advance_seconds: Option<u64>, set: Option<String> }
    "create" Create { #[serde(rename = "as")] name: Option<String>, spec: Option<Box<RawValue>>, spec_text: Option<String>, expect: Expect<names::NewKey> }
    "import" Import { #[serde(rename = "as")] name: Option<String>, spec: Box<RawValue>, expect: Expect<names::Key> }
    "update" Update { key: String, changes: Box<RawValue>, #[serde(default)] widen: bool, revision: Option<u64>, expect: Expect<names::Key> }
    "rotate" Rotate { key: String, overlap: i64, #[serde(rename = "as")] name: Option<String>, expect: Expect<names::NewKey> }
    "disable" Disable { key: String, expect: Expect<names::Key> }
    "enable" Enable { key: String, expect: Expect<names::Key> }
    "revoke" Revoke { key: String, expect: Expect<names::Key> }
    "delete" Delete { key: String, expect: Expect<names::Nothing> }
    "get" Get { key: String, expect: Expect<names::Key> }
    "list" List { after: Option<String>, limit: Option<usize>, expect: Expect<names::Keys> }
    "verify" Verify { secret: SecretText, expect: Expect<names::Verified> }
    "authorize" Authorize {
        secret: SecretText, #[serde(rename = "as")] name: Option<String>, model: Option<String>, purpose: Option<String>, endpoint: Option<String>,
        ip: Option<String>, cost: Option<String>, tokens: Option<i64>, request_id: Option<String>, wait_ms: Option<u64>, expect: Expect<names::Permit>,
    }
    "authorize_body" AuthorizeBody {
        secret: SecretText, #[serde(rename = "as")] name: Option<String>, body: String, floor: Option<u64>, purpose: Option<String>,
        endpoint: Option<String>, ip: Option<String>, request_id: Option<String>, expect: Expect<names::Permit>,
    }
    "check" Check {
        secret: SecretText, model: Option<String>, purpose: Option<String>, endpoint: Option<String>, ip: Option<String>,
        cost: Option<String>, tokens: Option<i64>, expect: Expect<names::Decision>,
    }
    "settle" Settle { permit: String, cost: Option<String>, tokens: Option<i64>, expect: Expect<names::Settlement> }
    "settle_response" SettleResponse { permit: String, body: String, expect: Expect<names::Settlement> }
    "settle_by_id" SettleById { permit: Option<String>, id: Option<String>, cost: Option<String>, tokens: Option<i64>, expect: Expect<names::Settlement> }
    "stream" Stream { permit: String, chunks: Vec<String>, #[serde(default = "yes")] finish: bool, expect: Option<Expect<names::Settlement>> }
    "release_by_id" ReleaseById { permit: String, expect: Expect<names::Nothing> }
    "release" Release { permit: String, expect: Expect<names::Nothing> }
    "extend" Extend { permit: String, cost: Option<String>, tokens: Option<i64>, expect: Expect<names::Permit> }
    "drop" Drop { permit: String }
    "detach" Detach { permit: String }
    "dispatched" Dispatched { permit: String }
    "progress" Progress { permit: String, cost: Option<String>, tokens: Option<i64> }
    "record" Record { key: String, cost: Option<String>, tokens: Option<i64>, request_id: Option<String>, expect: Expect<names::Settlement> }
    "usage" Usage { key: String, expect: Expect<names::Balances> }
    "allowed_models" AllowedModels { secret: SecretText, models: Vec<String>, expect: Expect<names::Models> }
    "alerts" Alerts { expect: Expect<names::Alerts> }
    "events" Events { expect: Expect<names::Events> }
    "stats" Stats { expect: Expect<names::Stats> }
    "gate" Another { name: String }
    "outage" Outage { on: bool, #[serde(default)] of: Room }
    "bearer" Bearer { headers: Vec<(String, String)>, #[serde(default)] also: Vec<String>, expect: Expect<names::Bearer> }
    "client_ip" ClientIp { peer: String, forwarded: Vec<String>, trusted: Vec<String>, expect: Expect<names::ClientIp> }
}

/// The text that a client presents.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum SecretText {
    /// The secret that a step gave this name.
    Named(String),
    /// This text.
    Text(Text),
    /// A secret by name, changed.
    Changed(Changed),
    /// A text over and over.
    Repeated(Repeated),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changed {
    pub(super) of: String,
    pub(super) change: Change,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repeated {
    pub(super) repeat: String,
    pub(super) times: usize,
}

/// What is done to a secret before it is presented.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Change {
    Cut,
    Extended,
    FirstHalf,
    LeadingSpace,
    Newline,
    NoPrefix,
    Nul,
    OneBit,
    SameStart,
    Space,
    Tab,
    UpperCase,
}

impl Change {
    /// The secret with this done to it.
    pub(super) fn of(self, secret: &str) -> String {
        let bytes = secret.as_bytes();
        let (start, last) = secret.split_at(secret.len().saturating_sub(1));
        let other = |byte: &u8| if *byte == b'0' { '1' } else { '0' };
        match self {
            Self::Cut => start.to_owned(),
            Self::Extended => format!("{secret}0"),
            Self::FirstHalf => secret.split_at(secret.len() / 2).0.to_owned(),
            Self::LeadingSpace => format!(" {secret}"),
            Self::Newline => format!("{secret}\n"),
            Self::NoPrefix => secret.rsplit('_').next().unwrap_or_default().to_owned(),
            Self::Nul => format!("{secret}\0"),
            Self::OneBit => start.chars().chain(last.bytes().map(|byte| char::from(byte ^ 1))).collect(),
            Self::SameStart => {
                let (same, rest) = bytes.split_at(bytes.len().min(11));
                same.iter().map(|byte| char::from(*byte)).chain(rest.iter().map(other)).collect()
            }
            Self::Space => format!("{secret} "),
            Self::Tab => format!("{secret}\t"),
            Self::UpperCase => secret.to_uppercase(),
        }
    }
}

/// What may fall silent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Room {
    #[default]
    Ledger,
    Store,
}

fn yes() -> bool {
    true
}

impl Step {
    /// Whether it makes sense only where the store is not one gate's alone.
    pub(super) fn needs_a_shared_store(&self) -> bool {
        matches!(self, Self::Another(_) | Self::Outage(Outage { of: Room::Store, .. }))
    }

    // What serde cannot say: which fields go together.
    fn checked(self) -> Result<Self, String> {
        let (sound, rule) = match &self {
            Self::Clock(clock) => {
                (clock.advance_seconds.is_some() != clock.set.is_some(), "advance_seconds or set")
            }
            Self::Create(create) => {
                (create.spec.is_some() != create.spec_text.is_some(), "spec or spec_text")
            }
            Self::SettleById(settle) => (settle.permit.is_some() != settle.id.is_some(), "permit or id"),
            Self::Stream(stream) => {
                (stream.finish == stream.expect.is_some(), "expect, unless it does not finish")
            }
            _ => (true, ""),
        };
        if sound { Ok(self) } else { Err(format!("needs {rule}")) }
    }
}
