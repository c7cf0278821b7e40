//! What a lease is subdivided into: the calls of one owner in one day and month.

use super::slice::Slice;
use super::units::{Ask, Units};
use crate::budget::{Calls, Delta, Windows};

/// The models of one owner that are told apart; what others used is told without a name.
const MOST_MODELS: usize = 255;

/// The account of one lease.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) windows: Windows,
    /// Charged here, told to the shared ledger or not.
    pub(super) used: Units,
    /// Set aside here for calls in flight.
    pub(super) held: Units,
    /// What used and held may come to here: the shared ledger knows of so much, as used or as held by the lease.
    pub(super) granted: Units,
    /// With less left than this, more is asked for ahead of need.
    pub(super) low: Units,
    /// How much to ask for.
    pub(super) slice: Slice,
    /// Whether somebody was told that there is less left.
    pub(super) is_low: bool,
    /// Whether what is fetched is for one call alone.
    pub(super) is_closed: bool,
    /// Whether a call was admitted since the last round.
    pub(super) is_active: bool,
    // What was charged since the last report, by model.
    tallies: Vec<Tallied>,
}

/// What the calls for one model came to since the last report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tallied {
    model: u8,
    count: i64,
    units: Units,
}

impl Day {
    pub(super) fn new(windows: Windows) -> Self {
        Self {
            windows,
            used: Units::ZERO,
            held: Units::ZERO,
            granted: Units::ZERO,
            low: Units::ZERO,
            slice: Slice::NONE,
            is_low: false,
            is_closed: false,
            is_active: false,
            tallies: Vec::new(),
        }
    }

    /// What is left to hand out.
    #[inline]
    pub(super) fn left(&self) -> Units {
        self.granted.minus(self.used).minus(self.held)
    }

    /// Whether more should be asked for: of a unit that no limit bounds nothing ever is.
    #[inline]
    pub(super) fn runs_low(&self) -> bool {
        let left = self.left();
        let is_low = |left: i128, low: i128| low > 0 && left < low;
        is_low(left.spend, self.low.spend) || is_low(left.tokens, self.low.tokens)
    }

    /// Whether the lease has room for what is asked.
    #[inline]
    pub(super) fn has_room(&self, ask: &Ask) -> bool {
        !self.is_closed && ask.fits(self.left())
    }

    /// Hands out no more than calls in flight hold already.
    pub(super) fn tighten(&mut self) {
        self.keep(Units::ZERO);
    }

    /// Hands out at most `most` more.
    pub(super) fn keep(&mut self, most: Units) {
        self.granted = self.granted.min(self.used.plus(self.held).plus(most));
        self.ask_below(most);
    }

    /// Keeps what may be needed soon, at the end of a round.
    pub(super) fn rest(&mut self, is_idle: bool, round: u64) {
        if is_idle {
            self.slice.forget();
            return self.tighten();
        }
        let soon = self.slice.rest(round);
        self.keep(soon);
    }

    /// Has more asked for when half of `slice` is gone.
    pub(super) fn ask_below(&mut self, slice: Units) {
        self.low = slice.map(|slice| slice.checked_div(2).unwrap_or(0));
        self.is_low = false;
    }

    /// Moves what is used and held.
    #[inline]
    pub(super) fn shift(&mut self, spend: Delta, tokens: Delta) {
        self.used = self.used.plus(Units { spend: spend.used, tokens: tokens.used });
        self.held = self.held.plus(Units { spend: spend.held, tokens: tokens.held });
    }

    /// Takes down what was charged for a model.
    #[inline]
    pub(super) fn tally(&mut self, model: u8, count: i64, units: Units) {
        if count == 0 && units == Units::ZERO {
            return;
        }
        match self.tallies.iter_mut().find(|tallied| tallied.model == model) {
            Some(tallied) => {
                tallied.count = tallied.count.saturating_add(count);
                tallied.units = tallied.units.plus(units);
            }
            None => self.tallies.push(Tallied { model, count, units }),
        }
    }

    pub(super) fn has_tallies(&self) -> bool {
        !self.tallies.is_empty()
    }

    /// Takes back what could not be told.
    pub(super) fn put_back(&mut self, charges: &[Charge]) {
        for charge in charges {
            self.tally(charge.number, charge.count, charge.units);
        }
    }

    /// Takes what was charged since this was asked last.
    pub(super) fn take_tallies(&mut self) -> Vec<Tallied> {
        std::mem::take(&mut self.tallies)
    }
}

/// The names of the models of one owner, by small numbers: 0 is no name.
#[derive(Debug, Default)]
pub(super) struct Models {
    names: Vec<Box<str>>,
    // Of the hold at each seat, which counts from 1.
    of_seats: Vec<u8>,
}

impl Models {
    /// The hold at `seat` is of this model.
    #[inline]
    pub(super) fn note(&mut self, seat: u32, model: Option<&str>) {
        let number = model.map_or(0, |model| self.number(model));
        let place = usize::try_from(seat).unwrap_or(0);
        if place >= self.of_seats.len() {
            self.of_seats.resize(place.saturating_add(1), 0);
        }
        if let Some(slot) = self.of_seats.get_mut(place) {
            *slot = number;
        }
    }

    /// The model of the hold at `seat`.
    #[inline]
    pub(super) fn of(&self, seat: u32) -> u8 {
        usize::try_from(seat).ok().and_then(|place| self.of_seats.get(place)).copied().unwrap_or(0)
    }

    /// What was tallied, by name.
    pub(super) fn named(&self, tallied: &[Tallied]) -> Vec<Charge> {
        let name = |number: u8| self.names.get(usize::from(number.checked_sub(1)?)).cloned();
        let charge = |tallied: &Tallied| Charge {
            number: tallied.model,
            model: name(tallied.model),
            count: tallied.count,
            units: tallied.units,
        };
        tallied.iter().map(charge).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Forgets every name, once nothing refers to any.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    #[inline]
    fn number(&mut self, model: &str) -> u8 {
        let found = self.names.iter().position(|name| **name == *model);
        found.map_or_else(|| self.add(model), number_of)
    }

    #[cold]
    fn add(&mut self, model: &str) -> u8 {
        if self.names.len() >= MOST_MODELS {
            return 0;
        }
        self.names.push(model.into());
        number_of(self.names.len().saturating_sub(1))
    }
}

fn number_of(place: usize) -> u8 {
    u8::try_from(place).ok().and_then(|place| place.checked_add(1)).unwrap_or(0)
}

/// What calls for one model came to, to be told by name.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    number: u8,
    model: Option<Box<str>>,
    count: i64,
    units: Units,
}

impl Charge {
    pub(super) fn calls(&self) -> Calls<'_> {
        let Self { model, count, units, .. } = self;
        Calls { model: model.as_deref(), count: *count, spend: units.spend, tokens: units.tokens }
    }
}
