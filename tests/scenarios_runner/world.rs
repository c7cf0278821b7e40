//! One case under way: its gate, its clock, and the names that its steps gave to things.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use enclava_keys::budget::PermitId;
use enclava_keys::gate::Alert;
use enclava_keys::{Clock, Gate, KeyId, ManualClock, Money, Permit, Timestamp, Usage};

use super::answer::{self, Failed};
use super::engine::{Engine, Site};
use super::schema::{Case, Opens};
use super::steps::{Room, SecretText, Step};

/// The name of the gate that a case begins with.
const FIRST: &str = "first";

/// The gates and what their steps named.
pub(super) struct World<'a> {
    case: &'a Case,
    site: Site,
    gates: BTreeMap<String, Arc<Gate>>,
    /// The one that takes the steps.
    pub(super) gate: Arc<Gate>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) keys: BTreeMap<String, KeyId>,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) permits: BTreeMap<String, Permit>,
    pub(super) permit_ids: BTreeMap<String, PermitId>,
}

impl<'a> World<'a> {
    /// Opens the gate of `case`; none if it is rightly refused.
    pub(super) fn open(case: &'a Case, engine: &Engine) -> Result<Option<Self>, String> {
        let clock = Arc::new(ManualClock::new(parsed(&case.start)?));
        let mut site = Site::new(case, engine);
        let told: Arc<dyn Clock> = clock.clone();
        match (site.open(case, told).map(Arc::new), &case.opens) {
            (Ok(gate), Opens::Ok) => Ok(Some(Self {
                case,
                site,
                gates: BTreeMap::from([(FIRST.to_owned(), Arc::clone(&gate))]),
                gate,
                clock,
                keys: BTreeMap::new(),
                secrets: BTreeMap::new(),
                permits: BTreeMap::new(),
                permit_ids: BTreeMap::new(),
            })),
            (Ok(_), Opens::Error(_)) => Err("the gate should not open".into()),
            (Err(failed), Opens::Ok) => Err(format!("the gate does not open: {failed}")),
            (Err(failed), Opens::Error(failure)) => failure.compare(&failed).map(|()| None),
        }
    }

    /// Takes one step and compares its answer with what is expected.
    pub(super) fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Clock(step) => {
                match (&step.set, step.advance_seconds) {
                    (Some(time), _) => self.clock.set(parsed(time)?),
                    (None, seconds) => {
                        self.clock.advance(Duration::from_secs(seconds.unwrap_or(0)));
                    }
                }
                Ok(())
            }
            Step::Outage(step) => {
                match step.of {
                    Room::Ledger => self.site.ledger.silence(step.on),
                    Room::Store => self.site.store.silence(step.on),
                }
                Ok(())
            }
            Step::Another(step) => self.turn_to(&step.name),
            Step::Create(step) => step.expect.compare(self.create(step)),
            Step::Import(step) => step.expect.compare(self.import(step)),
            Step::Update(step) => step.expect.compare(self.update(step)?),
            Step::Rotate(step) => step.expect.compare(self.rotate(step)?),
            Step::Disable(step) => step.expect.compare(self.switch(&step.key, Gate::disable_key)?),
            Step::Enable(step) => step.expect.compare(self.switch(&step.key, Gate::enable_key)?),
            Step::Revoke(step) => step.expect.compare(self.switch(&step.key, Gate::revoke_key)?),
            Step::Get(step) => step.expect.compare(self.switch(&step.key, Gate::key)?),
            Step::Delete(step) => step.expect.compare(self.delete(step)?),
            Step::List(step) => step.expect.compare(self.list(step)?),
            Step::Verify(step) => step.expect.compare(self.verify(step)?),
            Step::AllowedModels(step) => step.expect.compare(self.allowed_models(step)?),
            Step::Bearer(step) => step.expect.compare(Self::bearer(step)?),
            Step::ClientIp(step) => step.expect.compare(Self::client_ip(step)?),
            Step::Usage(step) => step.expect.compare(self.usage(step)?),
            Step::Alerts(step) => step.expect.compare(Ok(self.alerts())),
            Step::Events(step) => step.expect.compare(Ok(self.events())),
            Step::Stats(step) => step.expect.compare(Ok(self.stats())),
            Step::Authorize(step) => step.expect.compare(self.authorize(step)?),
            Step::AuthorizeBody(step) => step.expect.compare(self.authorize_body(step)?),
            Step::Check(step) => step.expect.compare(self.check(step)?),
            Step::Settle(step) => step.expect.compare(self.settle(step)?),
            Step::SettleResponse(step) => step.expect.compare(self.settle_response(step)?),
            Step::SettleById(step) => step.expect.compare(self.settle_by_id(step)?),
            Step::Stream(step) => self.stream(step),
            Step::ReleaseById(step) => step.expect.compare(self.release_by_id(step)?),
            Step::Release(step) => step.expect.compare(self.release(step)?),
            Step::Extend(step) => step.expect.compare(self.extend(step)?),
            Step::Record(step) => step.expect.compare(self.record(step)?),
            Step::Drop(step) => self.take_permit(&step.permit).map(drop),
            Step::Detach(step) => self.take_permit(&step.permit).map(|permit| drop(permit.detach())),
            Step::Dispatched(step) => self.permit(&step.permit).map(Permit::dispatched),
            Step::Progress(step) => self.progress(step),
        }
    }

    // From now on the gate of this name takes the steps; it opens over the same store and ledger if there is none.
    fn turn_to(&mut self, name: &str) -> Result<(), String> {
        if !self.gates.contains_key(name) {
            let told: Arc<dyn Clock> = self.clock.clone();
            let gate = self.site.open(self.case, told).map_err(|failed| failed.to_string())?;
            self.gates.insert(name.to_owned(), Arc::new(gate));
        }
        self.gate = self.gates.get(name).cloned().ok_or("no such gate")?;
        Ok(())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The id of the key of this name.
    pub(super) fn key(&self, name: &str) -> Result<KeyId, String> {
        self.keys.get(name).cloned().ok_or_else(|| format!("no step made a key {name:?}"))
    }

    /// The name of the key of this id.
    pub(super) fn name_of(&self, id: &KeyId) -> String {
        let named = self.keys.iter().find(|(_, other)| *other == id);
        named.map_or_else(|| id.to_string(), |(name, _)| name.clone())
    }

    pub(super) fn name_of_owner(&self) -> impl Fn(&Alert) -> String {
        |alert| self.name_of(&alert.key_id)
    }

    /// The id of the permit of this name, which may be gone.
    pub(super) fn permit_id(&self, name: &str) -> Result<PermitId, String> {
        self.permit_ids.get(name).cloned().ok_or_else(|| format!("no step made a permit {name:?}"))
    }

    /// The permit of this name.
    pub(super) fn permit(&mut self, name: &str) -> Result<&mut Permit, String> {
        self.permits.get_mut(name).ok_or_else(|| format!("no step left a permit {name:?}"))
    }

    pub(super) fn take_permit(&mut self, name: &str) -> Result<Permit, String> {
        self.permits.remove(name).ok_or_else(|| format!("no step left a permit {name:?}"))
    }

    /// The text that is presented.
    pub(super) fn secret(&self, secret: &SecretText) -> Result<String, String> {
        let named =
            |name: &str| self.secrets.get(name).ok_or_else(|| format!("no step made a secret {name:?}"));
        match secret {
            SecretText::Named(name) => named(name).cloned(),
            SecretText::Text(text) => Ok(text.text.clone()),
            SecretText::Repeated(repeated) => Ok(repeated.repeat.repeat(repeated.times)),
            SecretText::Changed(changed) => named(&changed.of).map(|secret| changed.change.of(secret)),
        }
    }
}

/// Reads text that the scenario states and that must be right.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}

/// Cost and tokens as a caller states them: absent is none.
pub(super) fn amounts(cost: Option<&str>, tokens: Option<i64>) -> Result<Usage, Failed> {
    let cost = cost.map_or(Ok(Money::ZERO), Money::parse_rounded_up).map_err(Failed::invalid)?;
    let tokens = u64::try_from(tokens.unwrap_or(0)).map_err(Failed::invalid)?;
    Ok(Usage::new(cost, tokens))
}

impl World<'_> {
    fn alerts(&self) -> serde_json::Value {
        let told = self.gate.take_alerts(usize::MAX);
        let told = told.iter().map(|alert| answer::alert(alert, &self.name_of(&alert.key_id)));
        serde_json::json!({ "alerts": told.collect::<Vec<_>>() })
    }

    fn events(&self) -> serde_json::Value {
        let told = self.gate.take_events(usize::MAX);
        let name = |id: &Option<KeyId>| id.as_ref().map(|id| self.name_of(id));
        let told = told.iter().map(|event| answer::event(event, name(&event.key_id).as_deref()));
        serde_json::json!({ "events": told.collect::<Vec<_>>() })
    }

    fn stats(&self) -> serde_json::Value {
        serde_json::to_value(self.gate.stats()).unwrap_or_default()
    }
}
