//! What a ledger has to do, told to it through the books as a gate would.

#[path = "shared.rs"]
mod shared;

use std::sync::Arc;
use std::time::Duration;

use enclava_keys::Timestamp;
use enclava_keys::budget::{
    Calendar, Hold, HoldId, Limits, Meter, Money, Notice, Owner, Phase, Threshold, Usage, Zone,
};
use enclava_keys::ledger::{Account, Books, Closing, Lapse, Ledger, NotReserved, OnLapse, Terms};

pub(crate) use shared::*;

/// Makes every case of the suite a test over the ledger that `$open` makes.
#[macro_export]
macro_rules! ledger_suite {
    ($open:expr) => {
        $crate::leased_suite!($open);
        $crate::ledger_suite!($open; an_alert_is_told_once a_correction_tells_nothing_twice);
    };
    ($open:expr; $($case:ident)*) => {
        $(#[test] fn $case() { $crate::suite::$case($open); })*
    };
}

/// The same over a ledger with leases in front, whose alerts come with its reports.
#[macro_export]
macro_rules! leased_suite {
    ($open:expr) => {
        $crate::ledger_suite!($open; admits_up_to_the_limit_and_not_one_unit_more refuses_on_one_meter_and_leaves_the_others_alone
            no_estimate_is_refused_when_nothing_remains zero_allows_nothing threads_admit_exactly_what_fits
            two_owners_move_together two_owners_in_opposite_orders_do_not_deadlock a_hold_is_closed_once
            a_late_settle_replaces_a_lapse_once lapsed_holds_make_way lapsed_holds_may_be_let_go
            an_overrun_is_recorded_and_stops_the_next a_hold_settles_in_the_windows_it_was_made_in
            a_clock_that_steps_back_finds_the_window_as_it_was a_window_long_gone_does_not_start_again
            live_holds_are_bounded resolved_holds_are_remembered_and_then_forgotten the_same_request_finds_its_hold
            extensions_obey_the_limit forgotten_owners_settle_what_is_in_flight amounts_far_beyond_64_bits_are_exact
            every_owner_is_told_of_its_alert a_window_is_kept_for_the_calls_of_others
            a_window_is_kept_for_late_settlements_of_others
            a_hold_of_a_silent_key_lapses_for_its_team a_hold_of_a_silent_key_is_let_go_for_its_team
            a_hold_grows_for_all_of_its_owners_or_none a_team_is_forgotten_after_its_last_call
            nothing_is_moved_for_a_team_that_was_forgotten);
    };
}

const DAY: i64 = 86_400;

/// One owner with its limits, and the books it is kept in.
struct Desk {
    books: Arc<Books>,
    owner: Owner,
    limits: Limits,
    calendar: Calendar,
    now: Timestamp,
    next: u128,
}

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

fn cost(text: &str) -> Usage {
    Usage::new(usd(text), 0)
}

fn tokens(tokens: u64) -> Usage {
    Usage::new(Money::ZERO, tokens)
}

fn terms() -> Terms {
    Terms { lifetime: Duration::from_mins(10), on_lapse: OnLapse::Charge, most_live: 100 }
}

impl Desk {
    fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self::with(ledger, terms())
    }

    fn with(ledger: Arc<dyn Ledger>, terms: Terms) -> Self {
        Self {
            books: Arc::new(Books::new(ledger, terms)),
            owner: Owner::new("one".parse().unwrap()),
            limits: Limits::default(),
            calendar: Calendar::new(Zone::utc()),
            now: "2026-11-23T12:00:00Z".parse().unwrap(),
            next: 0,
        }
    }

    fn another(&self, name: &str) -> Self {
        let owner = Owner::new(name.parse().unwrap());
        Self {
            books: Arc::clone(&self.books),
            owner,
            calendar: self.calendar.clone(),
            next: 1_000_000,
            ..*self
        }
    }

    fn account(&self) -> Account<'_> {
        Account { owner: &self.owner, limits: &self.limits, calendar: &self.calendar }
    }

    fn reserve(&mut self, estimate: Usage) -> Result<Hold, NotReserved> {
        self.next += 1;
        let mut hold = Hold::new(HoldId(self.next), 0);
        let reserved =
            self.books.reserve(&[self.account()], &mut hold, estimate, None, self.now, &mut Vec::new());
        reserved.map(|_| hold)
    }

    /// Ends a hold as whoever saw it last would: without noticing what others did to it meanwhile.
    fn close(&self, hold: &Hold, phase: Phase, usage: Usage) -> Result<Vec<Notice>, Closing> {
        self.books.close(&[self.account()], &mut hold.clone(), phase, usage)
    }

    fn settle(&self, hold: &Hold, usage: Usage) -> Vec<Meter> {
        let notices = self.close(hold, Phase::Settled, usage).unwrap();
        notices.iter().map(|notice| notice.id.meter).collect()
    }

    fn standing(&self, meter: Meter) -> (i128, i128) {
        let rows = self.books.rows(self.account(), self.now, &mut Vec::new()).unwrap();
        let place = Meter::ALL.iter().position(|&other| other == meter).unwrap();
        (rows[place].used, rows[place].held)
    }

    fn pass(&mut self, seconds: i64) {
        self.now = Timestamp::from_seconds(self.now.as_seconds() + seconds);
    }
}

fn transient(refused: Result<Hold, NotReserved>) -> bool {
    match refused.unwrap_err() {
        NotReserved::Refused(refusal) => refusal.transient,
        other => panic!("not a refusal: {other:?}"),
    }
}

pub(crate) fn admits_up_to_the_limit_and_not_one_unit_more(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    desk.limits.daily_spend = Some(usd("1"));
    let first = desk.reserve(cost("0.6")).unwrap();
    assert!(
        transient(desk.reserve(cost("0.400000000001"))),
        "it may fit once the first has settled for less"
    );
    let second = desk.reserve(cost("0.4")).unwrap();
    desk.settle(&first, cost("0.6"));
    desk.settle(&second, cost("0.4"));
    assert!(!transient(desk.reserve(cost("0.000000000001"))));
    assert_eq!(desk.standing(Meter::DailySpend), (usd("1").as_picos(), 0));
}

pub(crate) fn refuses_on_one_meter_and_leaves_the_others_alone(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    desk.limits = Limits { daily_tokens: Some(10), daily_spend: Some(usd("5")), ..Limits::default() };
    let NotReserved::Refused(refusal) = desk.reserve(Usage::new(usd("1"), 11)).unwrap_err() else { panic!() };
    assert_eq!((refusal.meter, refusal.limit, refusal.requested), (Meter::DailyTokens, 10, 11));
    for meter in Meter::ALL {
        assert_eq!(desk.standing(meter), (0, 0), "{meter}");
    }
}

pub(crate) fn no_estimate_is_refused_when_nothing_remains(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    desk.limits.daily_spend = Some(usd("25"));
    let hold = desk.reserve(Usage::ZERO).unwrap();
    desk.settle(&hold, cost("24.999999999999"));
    let hold = desk.reserve(Usage::ZERO).unwrap();
    desk.settle(&hold, cost("0.000000000001"));
    assert!(!transient(desk.reserve(Usage::ZERO)));
}

pub(crate) fn zero_allows_nothing(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    desk.limits.daily_tokens = Some(0);
    assert!(!transient(desk.reserve(tokens(1))));
    assert!(!transient(desk.reserve(Usage::ZERO)));
}

pub(crate) fn threads_admit_exactly_what_fits(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    desk.limits = Limits { monthly_spend: Some(usd("1")), ..Limits::default() };
    let admitted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64_u32)
            .map(|thread| {
                let mut mine = desk.another("one");
                mine.limits = desk.limits;
                mine.next = u128::from(thread) * 1_000;
                scope.spawn(move || {
                    let mut admitted = 0;
                    for call in 0..20 {
                        if let Ok(hold) = mine.reserve(cost("0.0017")) {
                            // Most settle for what they held, some let it go and try again.
                            if call % 5 == 0 {
                                mine.close(&hold, Phase::Released, Usage::ZERO).unwrap();
                            } else {
                                mine.settle(&hold, cost("0.0017"));
                                admitted += 1;
                            }
                        }
                    }
                    admitted
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // 588 x 0.0017 = 0.9996. What was let go while others were refused is taken up now.
    let mut rest = 0;
    while let Ok(hold) = desk.reserve(cost("0.0017")) {
        desk.settle(&hold, cost("0.0017"));
        rest += 1;
    }
    assert_eq!(admitted + rest, 588);
    assert_eq!(desk.standing(Meter::MonthlySpend), (usd("0.9996").as_picos(), 0));
}

pub(crate) fn two_owners_move_together(ledger: Arc<dyn Ledger>) {
    let mut key = Desk::new(ledger);
    key.limits.daily_spend = Some(usd("10"));
    let mut team = key.another("team");
    team.limits.daily_spend = Some(usd("1"));
    let both = [key.account(), team.account()];
    let take = |id, amount| {
        let mut hold = Hold::new(HoldId(id), 0);
        key.books.reserve(&both, &mut hold, cost(amount), None, key.now, &mut Vec::new()).map(|_| hold)
    };
    let hold = take(1, "0.7").unwrap();
    let NotReserved::Refused(refusal) = take(2, "0.4").unwrap_err() else { panic!() };
    assert_eq!((refusal.party, refusal.transient), (1, true));
    assert_eq!(
        key.standing(Meter::DailySpend).1,
        usd("0.7").as_picos(),
        "the refused call left the key alone"
    );
    key.settle(&hold, cost("0.5"));
    for desk in [&key, &team] {
        assert_eq!(desk.standing(Meter::DailySpend), (usd("0.5").as_picos(), 0));
    }
}

pub(crate) fn two_owners_in_opposite_orders_do_not_deadlock(ledger: Arc<dyn Ledger>) {
    let desk = Desk::new(ledger);
    let (a, b) = (desk.another("a"), desk.another("b"));
    std::thread::scope(|scope| {
        for (first, second, offset) in [(&a, &b, 0), (&b, &a, 1 << 40)] {
            scope.spawn(move || {
                for call in 0..2_000 {
                    let accounts = [first.account(), second.account()];
                    let mut hold = Hold::new(HoldId(offset + call), 0);
                    let mut lapses = Vec::new();
                    first
                        .books
                        .reserve(&accounts, &mut hold, tokens(1), None, first.now, &mut lapses)
                        .unwrap();
                    first.settle(&hold, tokens(1));
                }
            });
        }
    });
    assert_eq!(a.standing(Meter::DailyTokens), (4_000, 0));
    assert_eq!(b.standing(Meter::DailyTokens), (4_000, 0));
}

pub(crate) fn a_hold_is_closed_once(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    let hold = desk.reserve(cost("1")).unwrap();
    desk.settle(&hold, cost("0.3"));
    for (phase, usage) in
        [(Phase::Settled, cost("9")), (Phase::Released, Usage::ZERO), (Phase::Dropped, cost("1"))]
    {
        let mut seen = hold.clone();
        let closed = desk.books.close(&[desk.account()], &mut seen, phase, usage);
        assert!(matches!(closed, Err(Closing::Already)));
        assert_eq!((seen.standing.phase, seen.standing.usage), (Phase::Settled, cost("0.3")));
    }
    assert_eq!(desk.standing(Meter::DailySpend), (usd("0.3").as_picos(), 0));
}

pub(crate) fn a_late_settle_replaces_a_lapse_once(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    let hold = desk.reserve(cost("1")).unwrap();
    desk.pass(601);
    assert_eq!(
        desk.standing(Meter::DailySpend),
        (usd("1").as_picos(), 0),
        "a lapsed hold is charged its estimate"
    );
    desk.settle(&hold, cost("0.25"));
    assert_eq!(desk.standing(Meter::DailySpend), (usd("0.25").as_picos(), 0));
    let again = desk.close(&hold, Phase::Settled, cost("0.25"));
    assert!(matches!(again, Err(Closing::Already)));
}

pub(crate) fn lapsed_holds_make_way(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    desk.limits.daily_tokens = Some(10);
    desk.reserve(tokens(6)).unwrap();
    assert!(transient(desk.reserve(tokens(6))));
    desk.pass(599);
    assert!(transient(desk.reserve(tokens(6))), "it lives ten minutes");
    desk.pass(1);
    assert!(!transient(desk.reserve(tokens(6))), "what it held is charged now, so waiting does not help");
    assert!(desk.reserve(tokens(4)).is_ok());
}

pub(crate) fn lapsed_holds_may_be_let_go(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::with(ledger, Terms { on_lapse: OnLapse::Release, ..terms() });
    desk.limits.daily_tokens = Some(10);
    for _ in 0..3 {
        desk.reserve(tokens(10)).unwrap();
        assert!(transient(desk.reserve(tokens(1))));
        desk.pass(600);
    }
    assert_eq!(desk.standing(Meter::DailyTokens), (0, 0));
}

pub(crate) fn an_overrun_is_recorded_and_stops_the_next(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    desk.limits.daily_tokens = Some(100);
    let hold = desk.reserve(tokens(10)).unwrap();
    desk.settle(&hold, tokens(500));
    assert_eq!(desk.standing(Meter::DailyTokens), (500, 0));
    assert!(!transient(desk.reserve(Usage::ZERO)));
}

pub(crate) fn a_hold_settles_in_the_windows_it_was_made_in(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    desk.now = "2026-11-30T23:59:59Z".parse().unwrap();
    let hold = desk.reserve(cost("1")).unwrap();
    desk.pass(2);
    assert_eq!(desk.standing(Meter::MonthlySpend), (0, 0), "December knows nothing of it");
    desk.settle(&hold, cost("2"));
    assert_eq!(desk.standing(Meter::DailySpend), (0, 0));
    desk.pass(-2);
    assert_eq!(desk.standing(Meter::DailySpend), (usd("2").as_picos(), 0));
    assert_eq!(desk.standing(Meter::MonthlySpend), (usd("2").as_picos(), 0));
}

pub(crate) fn a_clock_that_steps_back_finds_the_window_as_it_was(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    desk.limits.daily_tokens = Some(10);
    let hold = desk.reserve(tokens(10)).unwrap();
    desk.settle(&hold, tokens(10));
    desk.pass(DAY);
    let hold = desk.reserve(tokens(4)).unwrap();
    desk.settle(&hold, tokens(4));
    desk.pass(-DAY);
    assert!(!transient(desk.reserve(tokens(1))), "yesterday is spent and stays spent");
    desk.pass(DAY);
    assert_eq!(desk.standing(Meter::DailyTokens), (4, 0));
}

pub(crate) fn a_window_long_gone_does_not_start_again(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    desk.limits.daily_tokens = Some(10);
    for _ in 0..4 {
        let hold = desk.reserve(tokens(10)).unwrap();
        desk.settle(&hold, tokens(10));
        desk.pass(DAY);
    }
    desk.pass(-4 * DAY);
    // Whether the ledger still knows the window or not, it does not give it out a second time.
    assert!(desk.reserve(tokens(10)).is_err());
}

pub(crate) fn an_alert_is_told_once(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    let threshold = Some(Threshold::from_basis_points(8_000).unwrap());
    desk.limits = Limits { daily_tokens: Some(100), alert_threshold: threshold, ..Limits::default() };
    let holds: Vec<_> = (0..10).map(|_| desk.reserve(tokens(10)).unwrap()).collect();
    let told: Vec<_> = holds.iter().map(|hold| desk.settle(hold, tokens(10))).collect();
    assert_eq!(told[7], [Meter::DailyTokens], "the eighth reaches 80");
    assert_eq!(told.concat().len(), 1);
    desk.pass(DAY);
    let hold = desk.reserve(tokens(90)).unwrap();
    assert_eq!(desk.settle(&hold, tokens(90)), [Meter::DailyTokens], "another day, another alert");
}

pub(crate) fn a_correction_tells_nothing_twice(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    let threshold = Some(Threshold::from_basis_points(5_000).unwrap());
    desk.limits = Limits { daily_tokens: Some(100), alert_threshold: threshold, ..Limits::default() };
    let hold = desk.reserve(tokens(60)).unwrap();
    desk.pass(600);
    let mut lapses: Vec<Lapse> = Vec::new();
    desk.books.rows(desk.account(), desk.now, &mut lapses).unwrap();
    assert_eq!(lapses[0].notices.len(), 1, "the lapse crossed it");
    assert!(desk.settle(&hold, tokens(10)).is_empty());
    let next = desk.reserve(tokens(60)).unwrap();
    assert!(desk.settle(&next, tokens(60)).is_empty(), "told before in this window");
}

pub(crate) fn live_holds_are_bounded(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::with(ledger, Terms { most_live: 3, ..terms() });
    let holds: Vec<_> = (0..3).map(|_| desk.reserve(Usage::ZERO).unwrap()).collect();
    assert!(matches!(desk.reserve(Usage::ZERO), Err(NotReserved::Crowded)));
    desk.settle(&holds[1], Usage::ZERO);
    assert!(desk.reserve(Usage::ZERO).is_ok());
    desk.pass(600);
    assert!(desk.reserve(Usage::ZERO).is_ok(), "lapsed holds do not count");
}

pub(crate) fn resolved_holds_are_remembered_and_then_forgotten(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    let first = desk.reserve(tokens(1)).unwrap();
    let dropped = desk.reserve(tokens(1)).unwrap();
    desk.close(&dropped, Phase::Dropped, tokens(1)).unwrap();
    let live = desk.reserve(tokens(1)).unwrap();
    desk.settle(&first, tokens(1));
    for _ in 0..1_000 {
        let hold = desk.reserve(tokens(1)).unwrap();
        desk.settle(&hold, tokens(1));
    }
    match desk.close(&first, Phase::Settled, tokens(1)) {
        Err(Closing::Already | Closing::NotFound) => {}
        other => panic!("settled twice: {other:?}"),
    }
    desk.settle(&dropped, tokens(0));
    desk.settle(&live, tokens(1));
    assert_eq!(desk.standing(Meter::DailyTokens), (1_002, 0));
}

pub(crate) fn the_same_request_finds_its_hold(ledger: Arc<dyn Ledger>) {
    let desk = Desk::new(ledger);
    let ask = |fingerprint| {
        let mut hold = Hold::new(HoldId(77), fingerprint);
        let found =
            desk.books.reserve(&[desk.account()], &mut hold, tokens(5), None, desk.now, &mut Vec::new());
        found.map(|found| (hold, found))
    };
    let (hold, false) = ask(1).unwrap() else { panic!() };
    let (again, true) = ask(1).unwrap() else { panic!() };
    assert_eq!(again.standing, hold.standing);
    assert!(matches!(ask(2), Err(NotReserved::Conflict)));
    assert_eq!(desk.standing(Meter::DailyTokens), (0, 5), "held once");
    desk.settle(&hold, tokens(5));
    assert!(matches!(ask(1), Err(NotReserved::Ended)), "its call was made");
}

pub(crate) fn extensions_obey_the_limit(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    desk.limits = Limits { daily_tokens: Some(100), daily_spend: Some(usd("1")), ..Limits::default() };
    let mut hold = desk.reserve(Usage::new(usd("1"), 40)).unwrap();
    let mut other = desk.reserve(tokens(40)).unwrap_err();
    assert!(matches!(&other, NotReserved::Refused(refusal) if refusal.meter == Meter::DailySpend));
    desk.books.extend(&[desk.account()], &mut hold, tokens(60), desk.now, &mut Vec::new()).unwrap();
    other =
        desk.books.extend(&[desk.account()], &mut hold, tokens(1), desk.now, &mut Vec::new()).unwrap_err();
    assert!(matches!(other, NotReserved::Refused(refusal) if !refusal.transient || refusal.held == 100));
    assert_eq!(hold.standing.usage, Usage::new(usd("1"), 100));
    desk.settle(&hold, tokens(7));
    assert_eq!(desk.standing(Meter::DailyTokens), (7, 0));
    let ended = desk.books.extend(&[desk.account()], &mut hold, tokens(1), desk.now, &mut Vec::new());
    assert!(matches!(ended, Err(NotReserved::Conflict)));
}

pub(crate) fn forgotten_owners_settle_what_is_in_flight(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    let hold = desk.reserve(tokens(5)).unwrap();
    desk.books.ledger().forget(&desk.owner).unwrap();
    desk.settle(&hold, tokens(5));
}

pub(crate) fn amounts_far_beyond_64_bits_are_exact(ledger: Arc<dyn Ledger>) {
    let mut desk = Desk::new(ledger);
    let nearly = usd("9999999999.999999999999");
    desk.limits.monthly_spend = Some(nearly);
    let hold = desk.reserve(cost("9999999999.999999999998")).unwrap();
    desk.settle(&hold, cost("9999999999.999999999998"));
    assert!(!transient(desk.reserve(cost("0.000000000002"))));
    let hold = desk.reserve(cost("0.000000000001")).unwrap();
    desk.settle(&hold, cost("0.000000000001"));
    assert_eq!(desk.standing(Meter::MonthlySpend), (nearly.as_picos(), 0));
}
