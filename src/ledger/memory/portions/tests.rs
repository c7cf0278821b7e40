//! The same deeds with portions and without, compared.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::budget::{Calendar, Owner, Phase, Threshold, Usage, Zone};
use crate::ledger::{Account, Books, MemoryLedger, NotReserved, OnLapse, Terms};

const LIFETIME: Duration = Duration::from_mins(10);

// Amounts are of tokens and of cents: limits of 100 of either are met often, and so are alerts.
#[derive(Debug, Clone)]
enum Deed {
    Reserve { cents: i64, tokens: u64, named: bool },
    Extend { which: usize, cents: i64 },
    Close { which: usize, phase: Phase, cents: i64, tokens: u64 },
    Record { cents: i64 },
    Limit { cents: i64 },
    Wait { minutes: u64 },
    Look,
}

fn deed() -> impl Strategy<Value = Deed> {
    let phase = prop_oneof![4 => Just(Phase::Settled), 1 => Just(Phase::Released), 1 => Just(Phase::Dropped)];
    prop_oneof![
        12 => (0_i64..8, 0_u64..8, prop_oneof![9 => Just(false), 1 => Just(true)])
            .prop_map(|(cents, tokens, named)| Deed::Reserve { cents, tokens, named }),
        2 => (any::<usize>(), 0_i64..8).prop_map(|(which, cents)| Deed::Extend { which, cents }),
        12 => (any::<usize>(), phase, 0_i64..8, 0_u64..8)
            .prop_map(|(which, phase, cents, tokens)| Deed::Close { which, phase, cents, tokens }),
        1 => (0_i64..8).prop_map(|cents| Deed::Record { cents }),
        1 => (50_i64..150).prop_map(|cents| Deed::Limit { cents }),
        1 => (0_u64..900).prop_map(|minutes| Deed::Wait { minutes }),
        1 => Just(Deed::Look),
    ]
}

// One way to keep the books of one owner: with portions whenever they may be, or never.
struct World {
    ledger: std::sync::Arc<MemoryLedger>,
    books: Books,
    owner: Owner,
    limits: Limits,
    fights: bool,
    shared: usize,
    now: Timestamp,
    holds: Vec<Hold>,
}

impl World {
    fn new(fights: bool) -> Self {
        let ledger = std::sync::Arc::new(MemoryLedger::new());
        let terms = Terms { lifetime: LIFETIME, on_lapse: OnLapse::Charge, most_live: 48 };
        Self {
            books: Books::new(ledger.clone(), terms),
            ledger,
            owner: Owner::new("busy".parse().unwrap()),
            limits: limits(100),
            fights,
            shared: 0,
            now: "2026-11-29T20:00:00Z".parse().unwrap(),
            holds: Vec::new(),
        }
    }

    // What came of it, as far as a caller can tell. Each deed is done by another thread.
    fn act(&mut self, deed: &Deed) -> String {
        if self.fights
            && let Some(mut account) = self.ledger.seats.find(&self.owner)
        {
            account.fight();
        }
        let told = std::thread::scope(|scope| scope.spawn(|| self.carry_out(deed)).join().unwrap());
        let account = self.ledger.seats.find(&self.owner);
        self.shared += usize::from(account.is_some_and(|account| account.has_portions_out()));
        told
    }

    fn carry_out(&mut self, deed: &Deed) -> String {
        let calendar = Calendar::new(Zone::utc());
        let account = Account { owner: &self.owner, calendar: &calendar, limits: &self.limits };
        let (books, now, mut lapses) = (&self.books, self.now, Vec::new());
        let told = match *deed {
            Deed::Reserve { cents, tokens, named } => {
                let number = self.holds.len() as u128 + 1;
                let mut hold = Hold::new(HoldId(number), if named { number } else { 0 });
                let done = books.reserve(&[account], &mut hold, usage(cents, tokens), None, now, &mut lapses);
                self.holds.push(hold);
                refused(done.map(|_| ()))
            }
            Deed::Extend { which, cents } => {
                let Some(hold) = pick(&mut self.holds, which) else { return String::new() };
                refused(books.extend(&[account], hold, usage(cents, 0), now, &mut lapses))
            }
            Deed::Close { which, phase, cents, tokens } => {
                let Some(hold) = pick(&mut self.holds, which) else { return String::new() };
                let closed = match books.close(&[account], hold, phase, usage(cents, tokens)) {
                    Ok(notices) => format!("{notices:?}"),
                    Err(error) => format!("{error:?}"),
                };
                if let Ok(known) = books.hold(&self.owner, hold.id) {
                    *hold = known;
                }
                closed
            }
            Deed::Record { cents } => {
                let mut hold = Hold::new(HoldId(1 << 64 | self.holds.len() as u128), 0);
                let charged = books.record(account, &mut hold, usage(cents, 0), now);
                self.holds.push(hold);
                charged.map_or_else(|_| "twice".to_owned(), |notices| format!("{notices:?}"))
            }
            Deed::Limit { cents } => {
                self.limits = limits(cents);
                String::new()
            }
            Deed::Wait { minutes } => {
                self.now = now.saturating_add(Duration::from_mins(minutes));
                String::new()
            }
            Deed::Look => {
                let holds = self.holds.iter().map(|hold| books.hold(&self.owner, hold.id));
                let standing = holds.map(|hold| hold.ok().map(|hold| hold.standing.phase));
                format!("{:?} {:?}", standing.collect::<Vec<_>>(), books.rows(account, now, &mut lapses))
            }
        };
        // Of several that lapse at once it is open which crosses a threshold.
        let mut lapsed: Vec<_> = lapses.iter().map(|lapse| lapse.hold.id).collect();
        lapsed.sort();
        let alerts = lapses.iter().flat_map(|lapse| &lapse.notices).map(|notice| notice.id.to_string());
        let alerts: std::collections::BTreeSet<_> = alerts.collect();
        format!("{told} {lapsed:?} {alerts:?}")
    }
}

fn limits(cents: i64) -> Limits {
    Limits {
        daily_spend: Some(usage(cents, 0).cost),
        monthly_spend: Some(usage(3 * cents, 0).cost),
        daily_tokens: Some(100),
        alert_threshold: Threshold::from_basis_points(6_000).ok(),
    }
}

fn usage(cents: i64, tokens: u64) -> Usage {
    Usage::new(Money::from_picos(i128::from(cents) * 10_000_000_000).unwrap(), tokens)
}

fn pick(holds: &mut [Hold], which: usize) -> Option<&mut Hold> {
    let count = holds.len();
    holds.get_mut(which.checked_rem(count)?)
}

fn refused(done: Result<(), NotReserved>) -> String {
    match done {
        Ok(()) => "admitted".to_owned(),
        Err(NotReserved::Failed(error)) => panic!("{error}"),
        Err(error) => format!("{error:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_can_tell_whether_an_account_is_shared_out(deeds in prop::collection::vec(deed(), 1..80)) {
        let (mut strict, mut shared) = (World::new(false), World::new(true));
        for deed in deeds.iter().chain([&Deed::Look]) {
            prop_assert_eq!(strict.act(deed), shared.act(deed), "{:?}", deed);
        }
        prop_assert_eq!(strict.shared, 0);
    }
}

#[test]
fn what_is_out_is_held_and_comes_back() {
    let mut world = World::new(true);
    for _ in 0..3 {
        world.act(&Deed::Reserve { cents: 2, tokens: 1, named: false });
    }
    assert_eq!(world.shared, 2, "from the second call on, whose account there is");
    let account = |world: &World| {
        let mut account = world.ledger.seats.find(&world.owner).unwrap();
        let windows = Calendar::new(Zone::utc()).windows(world.now);
        (account.latest_rows(windows).unwrap()[0], account.live())
    };
    let (row, live) = account(&world);
    assert!(row.held > usage(6, 0).cost.as_picos(), "{row:?}");
    assert_eq!(live, 1, "the others are in portions");
    world.act(&Deed::Look);
    let (row, live) = account(&world);
    assert_eq!((row.held, live), (usage(6, 0).cost.as_picos(), 3));
}
