//! One case under way: its gate, its clock, and the names that its steps gave to things.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::ptr::{from_ref, null, null_mut};
use std::rc::Rc;
use std::str::FromStr;

use enclava::*;
use enclava_keys::Timestamp;
use serde_json::{Value, json};

use super::answer::{self, Failed, explained};
use super::handles::{lent, place, taken, text};
use super::rooms::{Made, Rooms};
use super::schema::{Case, Lapsed, Opens, Options, Unavailable};
use super::steps::{Room, SecretText, Step};

/// The name of the gate that a case begins with.
const FIRST: &str = "first";

/// The gates and what their steps named. A permit is freed by dropping it, as C frees it.
pub(super) struct World<'a> {
    case: &'a Case,
    site: Option<Site<'a>>,
    gates: BTreeMap<String, Rc<enclava_gate>>,
    /// The one that takes the steps.
    pub(super) gate: Rc<enclava_gate>,
    pub(super) clock: Box<enclava_clock>,
    pub(super) now: Timestamp,
    pub(super) keys: BTreeMap<String, String>,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) permits: BTreeMap<String, Freed>,
    pub(super) permit_ids: BTreeMap<String, String>,
}

/// The ledger and the store in C that the gates of a case are over.
struct Site<'a> {
    leased: bool,
    rooms: &'a Rooms,
    ledger: Made,
    store: Made,
}

/// A permit that is freed by the function that frees permits.
pub(super) struct Freed(pub(super) Option<Box<enclava_permit>>);

impl Drop for Freed {
    fn drop(&mut self) {
        enclava_permit_free(self.0.take());
    }
}

impl<'a> World<'a> {
    /// Opens the gate of `case`; none if it is rightly refused.
    pub(super) fn open(
        case: &'a Case,
        rooms: Option<&'a Rooms>,
        leased: bool,
    ) -> Result<Option<Self>, String> {
        let now: Timestamp = parsed(&case.start)?;
        let mut clock = place();
        assert_eq!(enclava_clock_new(now.as_micros(), Some(&mut clock)), enclava_status::Ok);
        let clock = taken(clock).unwrap();
        let site = rooms.map(|rooms| {
            let (ledger, store) = (rooms.ledger.make(), rooms.store.make());
            Site { leased, rooms, ledger, store }
        });
        match (open(case, &clock, site.as_ref()), &case.opens) {
            (Ok(gate), Opens::Ok) => Ok(Some(Self {
                case,
                site,
                gates: BTreeMap::from([(FIRST.to_owned(), Rc::clone(&gate))]),
                gate,
                clock,
                now,
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
                    (Some(time), _) => {
                        self.now = parsed(time)?;
                        assert_eq!(
                            enclava_clock_set(Some(&self.clock), self.now.as_micros()),
                            enclava_status::Ok
                        );
                    }
                    (None, seconds) => {
                        let seconds = seconds.unwrap_or(0);
                        self.now = self.now.saturating_add(std::time::Duration::from_secs(seconds));
                        assert_eq!(
                            enclava_clock_advance(Some(&self.clock), seconds * 1_000),
                            enclava_status::Ok
                        );
                    }
                }
                Ok(())
            }
            Step::Outage(step) => {
                let site = self.site.as_ref().ok_or("the library's own rooms cannot be silenced")?;
                match step.of {
                    Room::Ledger => site.ledger.silence(step.on),
                    Room::Store => site.store.silence(step.on),
                }
                Ok(())
            }
            Step::Another(step) => self.turn_to(&step.name),
            Step::Events(step) => step.expect.compare(Ok(self.events())),
            Step::ReleaseById(step) => step.expect.compare(self.release_by_id(step)?),
            Step::Create(step) => step.expect.compare(self.create(step)),
            Step::Import(step) => step.expect.compare(self.import(step)),
            Step::Update(step) => step.expect.compare(self.update(step)?),
            Step::Rotate(step) => step.expect.compare(self.rotate(step)?),
            Step::Disable(step) => step.expect.compare(self.switch(&step.key, enclava_key_disable)?),
            Step::Enable(step) => step.expect.compare(self.switch(&step.key, enclava_key_enable)?),
            Step::Revoke(step) => step.expect.compare(self.switch(&step.key, enclava_key_revoke)?),
            Step::Get(step) => step.expect.compare(self.switch(&step.key, enclava_key_get)?),
            Step::Delete(step) => step.expect.compare(self.delete(step)?),
            Step::List(step) => step.expect.compare(self.list(step)?),
            Step::Verify(step) => step.expect.compare(self.verify(step)?),
            Step::AllowedModels(step) => step.expect.compare(self.allowed_models(step)?),
            Step::Bearer(step) => step.expect.compare(Self::bearer(step)?),
            Step::ClientIp(step) => step.expect.compare(Ok(Self::client_ip(step)).and_then(|answer| answer)),
            Step::Usage(step) => step.expect.compare(self.usage(step)?),
            Step::Alerts(step) => step.expect.compare(Ok(self.alerts())),
            Step::Stats(step) => step.expect.compare(Ok(self.stats())),
            Step::Authorize(step) => step.expect.compare(self.authorize(step)?),
            Step::AuthorizeBody(step) => step.expect.compare(self.authorize_body(step)?),
            Step::Check(step) => step.expect.compare(self.check(step)?),
            Step::Settle(step) => step.expect.compare(self.settle(step)?),
            Step::SettleResponse(step) => step.expect.compare(self.settle_response(step)?),
            Step::SettleById(step) => step.expect.compare(self.settle_by_id(step)?),
            Step::Stream(step) => self.stream(step),
            Step::Release(step) => step.expect.compare(self.release(step)?),
            Step::Extend(step) => step.expect.compare(self.extend(step)?),
            Step::Record(step) => step.expect.compare(self.record(step)?),
            Step::Drop(step) => self.take_permit(&step.permit).map(drop),
            Step::Detach(step) => {
                let mut permit = self.take_permit(&step.permit)?;
                assert_eq!(enclava_permit_detach(permit.0.as_deref_mut()), enclava_status::Ok);
                Ok(())
            }
            Step::Dispatched(step) => {
                assert_eq!(enclava_permit_dispatched(Some(self.permit(&step.permit)?)), enclava_status::Ok);
                Ok(())
            }
            Step::Progress(step) => self.progress(step),
        }
    }

    // From now on the gate of this name takes the steps; it opens over the same store and ledger if there is none.
    fn turn_to(&mut self, name: &str) -> Result<(), String> {
        if !self.gates.contains_key(name) {
            let gate = open(self.case, &self.clock, self.site.as_ref());
            self.gates.insert(name.to_owned(), gate.map_err(|failed| failed.to_string())?);
        }
        self.gate = Rc::clone(&self.gates[name]);
        Ok(())
    }

    /// The id of the key of this name.
    pub(super) fn key(&self, name: &str) -> Result<String, String> {
        self.keys.get(name).cloned().ok_or_else(|| format!("no step made a key {name:?}"))
    }

    /// The name of the key of this id.
    pub(super) fn name_of(&self, id: &str) -> String {
        let named = self.keys.iter().find(|(_, other)| *other == id);
        named.map_or_else(|| id.to_owned(), |(name, _)| name.clone())
    }

    /// The id of the permit of this name, which may be gone.
    pub(super) fn permit_id(&self, name: &str) -> Result<String, String> {
        self.permit_ids.get(name).cloned().ok_or_else(|| format!("no step made a permit {name:?}"))
    }

    /// The permit of this name.
    pub(super) fn permit(&mut self, name: &str) -> Result<&mut enclava_permit, String> {
        let permit = self.permits.get_mut(name).and_then(|permit| permit.0.as_deref_mut());
        permit.ok_or_else(|| format!("no step left a permit {name:?}"))
    }

    pub(super) fn take_permit(&mut self, name: &str) -> Result<Freed, String> {
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

    fn alerts(&self) -> Value {
        let next = || {
            let mut alert = place();
            let status = enclava_gate_take_alert(Some(&self.gate), Some(&mut alert));
            let alert = taken(alert);
            assert_eq!(alert.is_some(), status == enclava_status::Ok);
            alert
        };
        let told = std::iter::from_fn(next).map(|told| answer::alert(&told, &|id| self.name_of(id)));
        json!({ "alerts": told.collect::<Vec<_>>() })
    }

    fn events(&self) -> Value {
        let next = || {
            let mut event = place();
            let status = enclava_gate_take_event(Some(&self.gate), Some(&mut event));
            let event = taken(event);
            assert_eq!(event.is_some(), status == enclava_status::Ok);
            event
        };
        let told = std::iter::from_fn(next).map(|told| answer::event(&told, &|id| self.name_of(id)));
        json!({ "events": told.collect::<Vec<_>>() })
    }

    fn stats(&self) -> Value {
        serde_json::from_str(&text(|b, c, l| enclava_gate_stats(Some(&self.gate), b, c, l))).unwrap()
    }
}

fn open(case: &Case, clock: &enclava_clock, site: Option<&Site<'_>>) -> Result<Rc<enclava_gate>, Failed> {
    let Options {
        hold_seconds,
        on_lapse,
        max_in_flight,
        hide_amounts,
        hide_state,
        on_unavailable,
        refresh_seconds,
        stale_seconds,
        peppers,
    } = &case.options;
    let peppers: Vec<enclava_pepper> = peppers
        .iter()
        .map(|pepper| enclava_pepper { id: lent(&pepper.id), bytes: lent(&pepper.text) })
        .collect();
    let mut error = place();
    let mut prices = None;
    for (text, format) in [(&case.catalogue, 2), (&case.prices, 1)] {
        let Some(text) = text else { continue };
        let mut read = place();
        let status = enclava_prices_parse(lent(text.get()), format, Some(&mut read), Some(&mut error));
        explained(status, error)?;
        let mut read = taken(read);
        if let Some(earlier) = prices.as_deref_mut() {
            let later = read.as_deref().map_or(null(), from_ref);
            assert_eq!(enclava_prices_extend(earlier, later), enclava_status::Ok);
        } else {
            prices = read.take();
        }
    }
    let mut store = None;
    let options = enclava_options {
        size: u32::try_from(size_of::<enclava_options>()).unwrap(),
        admit_on_unavailable: matches!(on_unavailable, Unavailable::Admit).into(),
        release_on_lapse: matches!(on_lapse, Lapsed::Release).into(),
        hide_amounts: (*hide_amounts).into(),
        hide_state: (*hide_state).into(),
        max_in_flight: max_in_flight.unwrap_or(0),
        hold_seconds: hold_seconds.unwrap_or(0),
        refresh_milliseconds: refresh_seconds.unwrap_or(0) * 1_000,
        stale_milliseconds: stale_seconds.unwrap_or(0) * 1_000,
        peppers: peppers.as_ptr(),
        pepper_count: peppers.len(),
        prices: prices.as_deref().map_or(null(), from_ref),
        clock,
        ledger: site.map_or(null(), |site| from_ref(&site.rooms.ledger.table)),
        ledger_data: site.map_or(null_mut(), |site| site.ledger.shared()),
        store: site.map_or(null(), |site| from_ref(store.insert(site.store_table(case)))),
        store_data: site.map_or(null_mut(), |site| site.store.shared()),
        leased: site.is_some_and(|site| site.leased).into(),
        reserved: 0,
    };
    let mut gate = place();
    let status = enclava_gate_open(lent("memory:"), &raw const options, Some(&mut gate), Some(&mut error));
    let gate = taken(gate);
    if let Some(site) = site.filter(|_| gate.is_none()) {
        site.ledger.take_back();
        site.store.take_back();
    }
    explained(status, error)?;
    Ok(gate.unwrap().into())
}

impl Site<'_> {
    // A store that is one gate's alone is not asked for news.
    fn store_table(&self, case: &Case) -> enclava_store_vtable {
        enclava_store_vtable { is_shared: case.shared.into(), ..self.rooms.store.table }
    }
}

/// Reads text that the scenario states and that must be right.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}

/// Cost and tokens as a caller states them: absent is none.
pub(super) fn amounts(cost: Option<&str>, tokens: Option<i64>) -> Result<enclava_usage, Failed> {
    let mut read = MaybeUninit::new(enclava_money { usd: 0, pico: 0 });
    if let Some(cost) = cost {
        let status = enclava_money_parse(lent(cost), Some(&mut read));
        if status != enclava_status::Ok {
            return Err(Failed::plain(status, format!("{cost} is no money")));
        }
    }
    // SAFETY: written when it was made.
    let cost = unsafe { read.assume_init() };
    Ok(enclava_usage { cost, tokens: u64::try_from(tokens.unwrap_or(0)).map_err(Failed::argument)? })
}
