//! Calls that draw on a team as well, ended by whoever is first: their own key, or another that has them lapse.

use enclava_keys::Timestamp;
use enclava_keys::budget::{Calendar, Hold, HoldId, Limits, Meter, Owner, Phase};
use enclava_keys::ledger::{Account, Books, Closing, Ledger, MemoryLedger, NotReserved, OnLapse, Terms};

use super::*;

/// Two keys of one team, which may use ten tokens a day.
struct House {
    ledger: Arc<MemoryLedger>,
    books: Books,
    limits: Limits,
    none: Limits,
    calendar: Calendar,
}

impl House {
    fn new() -> Arc<Self> {
        let terms = Terms { lifetime: Duration::from_mins(10), on_lapse: OnLapse::Release, most_live: 9 };
        let ledger = Arc::new(MemoryLedger::new());
        Arc::new(Self {
            books: Books::new(ledger.clone(), terms),
            ledger,
            limits: Limits { daily_tokens: Some(10), ..Limits::default() },
            none: Limits::default(),
            calendar: Calendar::default(),
        })
    }

    fn reserve(&self, key: &str, id: u128, now: Timestamp) -> Result<Hold, NotReserved> {
        let mut hold = Hold::new(HoldId(id), 0);
        self.with(key, |accounts| {
            self.books.reserve(accounts, &mut hold, tokens(10), None, now, &mut Vec::new())
        })?;
        Ok(hold)
    }

    fn settle(&self, key: &str, hold: &mut Hold) -> Result<(), Closing> {
        let settle = |accounts: &[Account<'_>]| self.books.close(accounts, hold, Phase::Settled, tokens(4));
        self.with(key, settle).map(drop)
    }

    fn with<T>(&self, key: &str, run: impl FnOnce(&[Account<'_>]) -> T) -> T {
        let (key, team) = (owner(key), owner("team"));
        let account = |owner, limits| Account { owner, limits, calendar: &self.calendar };
        run(&[account(&key, &self.none), account(&team, &self.limits)])
    }

    // Tokens used and held.
    fn standing(&self, name: &str) -> (i128, i128) {
        let day = self.calendar.windows(at(0)).day.start;
        let row = self.ledger.row(&owner(name), Meter::DailyTokens, day).unwrap();
        (row.used, row.held)
    }
}

fn owner(name: &str) -> Owner {
    Owner::new(name.parse().unwrap())
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_seconds(1_795_435_200 + 60 * minutes)
}

fn of<T>(
    house: &Arc<House>,
    run: impl FnOnce(&House) -> T + Send + 'static,
) -> Box<dyn FnOnce() -> T + Send> {
    let house = Arc::clone(house);
    Box::new(move || run(&house))
}

#[test]
fn a_call_that_lapses_for_its_team_is_settled_once() {
    explore(|| {
        let house = House::new();
        let mut hold = house.reserve("one", 1, at(0)).unwrap();
        let done = at_once(vec![
            of(&house, move |house| house.settle("one", &mut hold).is_ok()),
            of(&house, |house| house.reserve("two", 2, at(10)).is_ok()),
        ]);
        assert!(done[0], "a late settlement replaces the lapse");
        let held = if done[1] { 10 } else { 0 };
        assert_eq!(house.standing("team"), (4, held));
        assert_eq!((house.standing("one"), house.standing("two")), ((4, 0), (0, held)));
    });
}

#[test]
fn a_key_that_goes_takes_its_calls_from_its_team() {
    explore(|| {
        let house = House::new();
        house.reserve("one", 1, at(0)).unwrap();
        let done = at_once(vec![
            of(&house, |house| house.ledger.forget(&owner("one")).is_ok()),
            of(&house, |house| house.reserve("two", 2, at(10)).is_ok()),
            of(&house, |house| house.reserve("three", 3, at(10)).is_ok()),
        ]);
        assert!(done[0] && done[1] != done[2], "what lapsed makes way for one of them: {done:?}");
        assert_eq!((house.standing("team"), house.standing("one")), ((0, 10), (0, 0)));
    });
}
