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
