//! What must be true of a world: after each of its steps, and when everything is healed.

use super::*;

impl World {
    fn month(&self, day: Timestamp) -> Timestamp {
        self.calendar.windows(day).month.start
    }

    // What really happened in the window that begins at `start`, and its limit.
    pub(super) fn used_on(&self, meter: Meter, start: Timestamp) -> (u64, u64) {
        let cap = self.limits.cap(meter).unwrap();
        match meter {
            Meter::DailyTokens => (self.used.get(&start).copied().unwrap_or(0), LIMIT),
            Meter::DailySpend => (self.used.get(&start).copied().unwrap_or(0), (cap / 1_000) as u64),
            _ => (self.in_month(&self.used, start), (cap / 1_000) as u64),
        }
    }

    fn in_month(&self, sums: &BTreeMap<Timestamp, u64>, month: Timestamp) -> u64 {
        sums.iter().filter(|(day, _)| self.month(**day) == month).map(|(_, sum)| sum).sum()
    }

    // The tokens of a day as the shared ledger has them, unless it was let go: nobody has it pinned, and two came after.
    fn row(&self, day: Timestamp) -> Option<Row> {
        let row = self.engine.row(&self.owner, Meter::DailyTokens, day).unwrap();
        let may_be_gone = self.now + self.weather.skew >= day.as_seconds() + 2 * DAY;
        (row != Row::NONE || !may_be_gone).then_some(row)
    }

    // Nobody was admitted beyond a cap, by what really happened.
    pub(super) fn check_caps(&self, windows: Windows, what: &str) {
        let of = |sums: &BTreeMap<Timestamp, u64>| sums.get(&windows.day.start).copied().unwrap_or(0);
        let (used, held, overrun) = (of(&self.used), of(&self.held), of(&self.overrun));
        let ending = self.ending(|of| of.day.start == windows.day.start);
        assert!(
            used + held <= LIMIT + overrun + ending,
            "{what}: {used} used, {held} held, {overrun} beyond estimates"
        );
        if let Some(cap) = self.limits.monthly_spend {
            let month = windows.month.start;
            let sum = self.in_month(&self.used, month) + self.in_month(&self.held, month);
            let ending = self.ending(|of| of.month.start == month);
            let overrun = self.in_month(&self.overrun, month) + ending;
            assert!(tokens(sum).cost <= cap.saturating_add(tokens(overrun).cost), "{what}: {sum} in a month");
        }
    }

    // What the shared ledger has set aside and charged covers what really happened, and keeps to the cap.
    pub(super) fn look(&self) {
        for (&day, &used) in &self.used {
            let Some(row) = self.row(day) else { continue };
            let overrun = i128::from(self.overrun.get(&day).copied().unwrap_or(0));
            let ending = i128::from(self.ending(|of| of.day.start == day));
            let held = i128::from(self.held.get(&day).copied().unwrap_or(0)) - ending;
            assert!(row.used + row.held <= i128::from(LIMIT) + 2 * overrun + ending, "{row:?}");
            assert!(row.used + row.held + overrun >= i128::from(used) + held, "{row:?} of {used} and {held}");
        }
    }

    // What calls held whose end was told to the ledger without an answer.
    pub(super) fn ending(&self, is_in: impl Fn(Windows) -> bool) -> u64 {
        let calls = self.processes.iter().flat_map(|process| &process.calls).chain(&self.dead);
        let ending = calls.filter(|call| call.closing.is_some() && is_in(call.hold.windows));
        let told = |call: &Call| call.closing.map_or(0, |(_, usage)| usage.tokens);
        ending.map(|call| told(call).max(call.hold.standing.usage.tokens)).sum()
    }

    // Everything is healed; who is alive reports, what is dead is reconciled, and the sums are right to the last token.
    pub(super) fn end(mut self) -> Tale {
        for place in 0..self.processes.len() {
            self.processes[place].link.heal();
            while let Some(call) = self.processes[place].calls.iter().position(|call| call.closing.is_some())
            {
                self.end_as(place, call, Phase::Released, Usage::ZERO);
            }
            while let Some(call) = self.pick(place) {
                self.end_as(place, call, Phase::Settled, tokens(0));
            }
        }
        for place in 0..self.processes.len() {
            for _ in 0..3 {
                // It may fail for a day that the ledger has let go, of which it was never told anything.
                let _ = self.processes[place].ledger.tend();
            }
            let link = Arc::clone(&self.processes[place].link);
            self.count(&link);
        }
        self.reconcile();
        let exact = self.tale.crashed == 0;
        for (&day, &used) in &self.used {
            let Some(row) = self.row(day) else { continue };
            let overrun = self.overrun.get(&day).copied().unwrap_or(0);
            assert_eq!(row.held, 0, "on {day}");
            if exact {
                assert_eq!(row.used, i128::from(used), "on {day}");
            } else {
                let unsure = overrun + self.ending(|of| of.day.start == day);
                assert!(row.used + i128::from(unsure) >= i128::from(used), "{row:?} of {used}");
                assert!(row.used <= i128::from(LIMIT + 2 * overrun), "{row:?} of {used}");
            }
        }
        if exact && !self.weather.overruns {
            self.spend_the_rest();
        }
        self.tale
    }

    // An operator settles what the dead left behind, in full, and what was lost on the way is let go.
    fn reconcile(&mut self) {
        let books = Books::new(
            Arc::<MemoryLedger>::clone(&self.engine),
            Terms { lifetime: Duration::from_mins(10), on_lapse: OnLapse::Charge, most_live: 1_000 },
        );
        let limits = Limits::default();
        let account = Account { owner: &self.owner, limits: &limits, calendar: &self.calendar };
        for mut hold in self.engine.due(&self.owner, Timestamp::MAX, usize::MAX).unwrap() {
            let is_ours = |call: &Call| call.hold.id == hold.id;
            if Lease::is(&hold) {
                let is_empty = hold.standing.usage == Usage::ZERO;
                // The last that it was told was a wish that had been refused, and came again when nobody waited for it any
                // more: nobody draws on that.
                let is_late = hold.standing.expires_at == Timestamp::MAX && self.tale.links.doubled > 0;
                assert!(self.tale.crashed > 0 || is_empty || is_late, "{hold:?} is left");
                let usage = if self.tale.crashed > 0 { hold.standing.usage } else { Usage::ZERO };
                books.close(&[account], &mut hold, Phase::Settled, usage).unwrap();
            } else {
                let is_lost = self.unknown.iter().any(|other| other.id == hold.id);
                assert!(is_lost || self.dead.iter().any(is_ours), "{hold:?} is left");
                books.close(&[account], &mut hold, Phase::Released, Usage::ZERO).unwrap();
            }
        }
    }

    // Nothing is stranded: whoever is alive can use all that is left, to the last token.
    fn spend_the_rest(&mut self) {
        self.weather = Weather { corrections: false, ..self.weather };
        self.processes.iter_mut().for_each(|process| process.skew = 0);
        // Where no clock was yet: days before that may be let go.
        let now = Timestamp::from_seconds(self.now + self.weather.skew);
        let windows = self.calendar.windows(now);
        for turn in 0.. {
            let place = turn % self.processes.len();
            let mut hold = self.draw();
            let account = Account { owner: &self.owner, limits: &self.limits, calendar: &self.calendar };
            let Process { books, ledger, .. } = &self.processes[place];
            match books.reserve(&[account], &mut hold, tokens(1), None, now, &mut Vec::new()) {
                Ok(_) => {
                    books
                        .close(&[account], &mut hold, Phase::Settled, tokens(1))
                        .map_err(|_| "closed")
                        .unwrap();
                    *self.used.entry(windows.day.start).or_default() += 1;
                }
                Err(NotReserved::Refused(refusal)) if refusal.transient => {
                    assert!(turn < 10_000, "{refusal:?}");
                    // Others have leased it: their next rounds give it back.
                    self.processes.iter().for_each(|process| drop(process.ledger.tend()));
                }
                Err(NotReserved::Refused(refusal)) => {
                    let (used, limit) = self.used_on(refusal.meter, refusal.window.start);
                    assert_eq!(used, limit, "{refusal:?}");
                    return;
                }
                Err(other) => panic!("{other:?}, {ledger:?}"),
            }
        }
    }
}
