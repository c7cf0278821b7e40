//! Calls that draw on two owners: a key, and the team that it belongs to.

use super::*;

/// Two keys of one team.
struct House {
    first: Desk,
    second: Desk,
    team: Desk,
}

impl House {
    fn with(ledger: Arc<dyn Ledger>, terms: Terms) -> Self {
        let first = Desk::with(ledger, terms);
        let (second, team) = (first.another("two"), first.another("team"));
        Self { first, second, team }
    }

    fn pass(&mut self, seconds: i64) {
        for desk in [&mut self.first, &mut self.second, &mut self.team] {
            desk.pass(seconds);
        }
    }

    // A call of one of the keys.
    fn reserve(&self, key: &Desk, id: u128, estimate: Usage) -> Result<(Hold, Vec<Lapse>), NotReserved> {
        let (mut hold, mut lapses) = (Hold::new(HoldId(id), 0), Vec::new());
        let both = [key.account(), self.team.account()];
        key.books.reserve(&both, &mut hold, estimate, None, key.now, &mut lapses)?;
        Ok((hold, lapses))
    }

    fn settle(&self, key: &Desk, hold: &Hold, usage: Usage) -> Vec<Notice> {
        let both = [key.account(), self.team.account()];
        key.books.close(&both, &mut hold.clone(), Phase::Settled, usage).unwrap()
    }
}

fn owners(notices: &[Notice]) -> Vec<String> {
    notices.iter().map(|notice| notice.id.key.to_string()).collect()
}

pub(crate) fn every_owner_is_told_of_its_alert(ledger: Arc<dyn Ledger>) {
    let mut house = House::with(ledger, terms());
    let threshold = Some(Threshold::from_basis_points(5_000).unwrap());
    let limits = Limits { daily_tokens: Some(100), alert_threshold: threshold, ..Limits::default() };
    house.team.limits = limits;
    let (hold, _) = house.reserve(&house.first, 1, tokens(60)).unwrap();
    assert_eq!(owners(&house.settle(&house.first, &hold, tokens(60))), ["team"]);
    house.pass(DAY);
    house.first.limits = limits;
    let (hold, _) = house.reserve(&house.first, 2, tokens(60)).unwrap();
    assert_eq!(owners(&house.settle(&house.first, &hold, tokens(60))), ["one", "team"]);
    house.pass(DAY);
    house.reserve(&house.first, 3, tokens(60)).unwrap();
    house.pass(600);
    let (_, lapses) = house.reserve(&house.first, 4, tokens(1)).unwrap();
    assert_eq!(owners(&lapses[0].notices), ["one", "team"], "a lapse is a charge as well");
}

pub(crate) fn a_window_is_kept_for_the_calls_of_others(ledger: Arc<dyn Ledger>) {
    settles_four_days_later(ledger, Duration::from_hours(240));
}

pub(crate) fn a_window_is_kept_for_late_settlements_of_others(ledger: Arc<dyn Ledger>) {
    settles_four_days_later(ledger, Duration::from_mins(10));
}

fn settles_four_days_later(ledger: Arc<dyn Ledger>, lifetime: Duration) {
    let mut house = House::with(ledger, Terms { lifetime, ..terms() });
    let day = house.team.calendar.windows(house.team.now).day.start;
    let (hold, _) = house.reserve(&house.first, 100, tokens(5)).unwrap();
    for other in 1..5 {
        house.pass(DAY);
        let (hold, _) = house.reserve(&house.second, other, tokens(1)).unwrap();
        house.settle(&house.second, &hold, tokens(1));
    }
    assert_eq!(house.first.standing(Meter::DailyTokens), (0, 0));
    let found = house.first.books.hold(&house.first.owner, hold.id).unwrap();
    house.settle(&house.first, &found, tokens(3));
    for desk in [&house.first, &house.team] {
        let row = desk.books.ledger().row(&desk.owner, Meter::DailyTokens, day).unwrap();
        assert_eq!((row.used, row.held), (3, 0), "{}", desk.owner.id());
    }
}

pub(crate) fn a_hold_of_a_silent_key_lapses_for_its_team(ledger: Arc<dyn Ledger>) {
    let mut house = House::with(ledger, terms());
    house.team.limits.daily_tokens = Some(10);
    let (hold, _) = house.reserve(&house.first, 1, tokens(6)).unwrap();
    house.pass(599);
    assert!(transient(house.reserve(&house.second, 2, tokens(6)).map(|(hold, _)| hold)));
    house.pass(1);
    assert!(!transient(house.reserve(&house.second, 3, tokens(6)).map(|(hold, _)| hold)));
    assert_eq!(house.team.standing(Meter::DailyTokens), (6, 0));
    assert_eq!(house.first.standing(Meter::DailyTokens), (6, 0), "its own meters move with the team's");
    let found = house.first.books.hold(&house.first.owner, hold.id).unwrap();
    house.settle(&house.first, &found, tokens(1));
    let (_, lapses) = house.reserve(&house.second, 4, tokens(9)).unwrap();
    assert!(lapses.is_empty(), "it lapses once");
    house.pass(600);
    assert_eq!(house.team.standing(Meter::DailyTokens), (10, 0), "who looks at the team sees it too");
}

pub(crate) fn a_hold_of_a_silent_key_is_let_go_for_its_team(ledger: Arc<dyn Ledger>) {
    let mut house = House::with(ledger, Terms { on_lapse: OnLapse::Release, ..terms() });
    house.team.limits.daily_tokens = Some(10);
    for call in [1, 3] {
        house.reserve(&house.first, call, tokens(10)).unwrap();
        house.pass(600);
        let (_, lapses) = house.reserve(&house.second, call + 1, tokens(10)).unwrap();
        let lapsed = lapses.first().map(|lapse| (lapse.owner.to_string(), lapse.hold.id));
        assert_eq!(lapsed, Some(("one".into(), HoldId(call))));
        house.pass(600);
    }
    assert_eq!(house.team.standing(Meter::DailyTokens), (0, 0));
    assert_eq!(house.second.standing(Meter::DailyTokens), (0, 0));
}

pub(crate) fn a_team_is_forgotten_after_its_last_call(ledger: Arc<dyn Ledger>) {
    let house = House::with(ledger, terms());
    let (hold, _) = house.reserve(&house.first, 1, tokens(5)).unwrap();
    house.team.books.ledger().forget(&house.team.owner).unwrap();
    assert_eq!(house.team.standing(Meter::DailyTokens), (0, 5));
    house.settle(&house.first, &hold, tokens(5));
    assert_eq!(house.team.standing(Meter::DailyTokens), (0, 0));
    assert_eq!(house.first.standing(Meter::DailyTokens), (5, 0));
}

pub(crate) fn nothing_is_moved_for_a_team_that_was_forgotten(ledger: Arc<dyn Ledger>) {
    let mut house = House::with(ledger, terms());
    let (hold, _) = house.reserve(&house.first, 1, tokens(5)).unwrap();
    house.pass(600);
    assert_eq!(house.team.standing(Meter::DailyTokens), (5, 0));
    house.team.books.ledger().forget(&house.team.owner).unwrap();
    let (other, _) = house.reserve(&house.second, 2, tokens(1)).unwrap();
    let found = house.first.books.hold(&house.first.owner, hold.id).unwrap();
    house.settle(&house.first, &found, tokens(3));
    assert_eq!(house.first.standing(Meter::DailyTokens), (3, 0));
    assert_eq!(house.team.standing(Meter::DailyTokens), (0, 1), "a new team of the same name");
    house.settle(&house.second, &other, tokens(1));
    assert_eq!(house.team.standing(Meter::DailyTokens), (1, 0));
}

pub(crate) fn a_hold_grows_for_all_of_its_owners_or_none(ledger: Arc<dyn Ledger>) {
    let mut house = House::with(ledger, terms());
    house.team.limits.daily_tokens = Some(10);
    let (mut hold, _) = house.reserve(&house.first, 1, tokens(5)).unwrap();
    let mut extend = |accounts: &[Account<'_>], more| {
        house.first.books.extend(accounts, &mut hold, tokens(more), house.first.now, &mut Vec::new())
    };
    assert!(matches!(extend(&[house.first.account()], 5), Err(NotReserved::Failed(_))));
    let both = [house.first.account(), house.team.account()];
    assert!(matches!(extend(&both, 6), Err(NotReserved::Refused(_))));
    extend(&both, 5).unwrap();
    assert_eq!(house.first.standing(Meter::DailyTokens), (0, 10));
    assert_eq!(house.team.standing(Meter::DailyTokens), (0, 10));
}
