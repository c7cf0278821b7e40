//! Days and months tile time in every zone there is: no gap, no overlap, each opened by its own midnight (B7).
//!
//! `SOAK_ZONES` says in how many zones every day is looked at; a few in `cargo test`, where the others have their clocks
//! change and their months.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

use std::collections::BTreeMap;

use enclava_keys::Timestamp;
use enclava_keys::budget::{Window, Zone};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// How a zone tells the window around an instant.
type Ask = fn(Zone, Timestamp) -> Window;

fn zones() -> BTreeMap<String, TimeZone> {
    let names = jiff::tz::db().available().map(|name| name.to_string());
    // The one name that stands for "not known".
    let zones = names.filter(|name| name != "Etc/Unknown");
    let zones: BTreeMap<_, _> = zones
        .map(|name| (name.clone(), TimeZone::get(&name).unwrap_or_else(|e| panic!("{name}: {e}"))))
        .collect();
    assert!(zones.len() > 500, "only {} zones: not the whole database", zones.len());
    zones
}

fn second(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn before(instant: Timestamp) -> Timestamp {
    Timestamp::from_micros(instant.as_micros() - 1)
}

fn wall(rules: &TimeZone, instant: Timestamp) -> DateTime {
    rules.to_datetime(jiff::Timestamp::from_microsecond(instant.as_micros()).unwrap())
}

/// Every window from `from` to `until`, each of which holds all of itself and opens where the last one ended.
fn walk(zone: Zone, ask: Ask, from: Timestamp, until: Timestamp) -> Vec<Window> {
    let mut found = vec![ask(zone, from)];
    assert!(found[0].contains(from), "{zone:?}: {from} is not in {:?}", found[0]);
    loop {
        let last = *found.last().unwrap();
        let middle = second(i64::midpoint(last.start.as_seconds(), last.end.as_seconds()));
        for inside in [last.start, middle, before(last.end)] {
            assert_eq!(ask(zone, inside), last, "{zone:?} at {inside}");
        }
        if last.end >= until {
            return found;
        }
        let next = ask(zone, last.end);
        assert_eq!(next.start, last.end, "{zone:?}: {next:?} follows {last:?}");
        assert!(next.start < next.end, "{zone:?}: {next:?}");
        found.push(next);
    }
}

/// A window opens when a date (of which only `part` counts) has never been seen before, at midnight or where the clock
/// jumped past it.
fn assert_opens_a_date(rules: &TimeZone, window: Window, part: fn(DateTime) -> (i16, i8, i8)) {
    if window.start == Timestamp::EPOCH {
        return;
    }
    let (last, first) = (wall(rules, before(window.start)), wall(rules, window.start));
    assert!(part(last) < part(first), "{rules:?}: {window:?} opens within {first}");
    let closing = wall(rules, before(window.end));
    assert_eq!(part(closing), part(first), "{rules:?}: {window:?} runs on into {closing}");
}

fn by_day(wall: DateTime) -> (i16, i8, i8) {
    (wall.year(), wall.month(), wall.day())
}

fn by_month(wall: DateTime) -> (i16, i8, i8) {
    (wall.year(), wall.month(), 0)
}

/// Asks again, far from the order of time, so that what was asked last is of no help.
fn ask_out_of_order(zone: Zone, ask: Ask, windows: &[Window]) {
    // A stride that shares no factor with the count comes to every window once.
    let half = windows.len() / 2;
    let stride = (half..=windows.len()).find(|stride| coprime(*stride, windows.len())).unwrap_or(1);
    for turn in 0..windows.len() {
        let window = windows[turn * stride % windows.len()];
        let inside = if turn % 2 == 0 { window.start } else { before(window.end) };
        assert_eq!(ask(zone, inside), window, "{zone:?} at {inside}, out of order");
    }
}

fn coprime(a: usize, b: usize) -> bool {
    if b == 0 { a == 1 } else { coprime(b, a % b) }
}

#[test]
fn months_tile_time_in_every_zone() {
    let until: Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
    let mut count = 0;
    for (name, rules) in zones() {
        let zone = Zone::named(&name).unwrap();
        let months = walk(zone, Zone::month, Timestamp::EPOCH, until);
        for month in &months {
            assert_opens_a_date(&rules, *month, by_month);
            let days = month.end.since(month.start).as_secs() / 3_600;
            let short = month.start == Timestamp::EPOCH;
            assert!(short || (27 * 24..=32 * 24).contains(&days), "{name}: {month:?}");
        }
        // 130 years; where the first month of 1970 had begun before the epoch, so did the last month of 1969.
        assert!((1_560..=1_562).contains(&months.len()), "{name}: {} months", months.len());
        ask_out_of_order(zone, Zone::month, &months);
        count += months.len();
    }
    assert!(count > 500 * 1_560);
}

#[test]
fn days_tile_time_around_every_change_of_every_clock() {
    let until = jiff::Timestamp::from_second(4_102_444_800).unwrap();
    let mut count = 0;
    for (name, rules) in zones() {
        let zone = Zone::named(&name).unwrap();
        let changes = rules.following(jiff::Timestamp::UNIX_EPOCH).map(|change| change.timestamp());
        let mut days = Vec::new();
        for change in changes.take_while(|change| *change < until) {
            let around = |days: i64| second((change.as_second() + days * DAY).max(0));
            days.extend(walk(zone, Zone::day, around(-2), around(2)));
        }
        for day in &days {
            assert_opens_a_date(&rules, *day, by_day);
            // Vostok once lived a day of 31 hours; whoever moved across the date line dropped a date whole.
            let length = day.end.since(day.start).as_secs();
            assert!(
                day.start == Timestamp::EPOCH || (12 * 3_600..=36 * 3_600).contains(&length),
                "{name}: {day:?}"
            );
        }
        days.sort_by_key(|day| day.start);
        days.dedup();
        assert!(days.windows(2).all(|pair| pair[0].end <= pair[1].start), "{name}: days overlap");
        if !days.is_empty() {
            ask_out_of_order(zone, Zone::day, &days);
        }
        count += days.len();
    }
    assert!(count > 50_000, "only {count} days were looked at");
}

// First those where clocks are strange.
const STRANGE: [&str; 8] = [
    "UTC",
    "America/New_York",
    "America/St_Johns",    // put the clock back at 00:01
    "Pacific/Apia",        // skipped a date
    "Australia/Lord_Howe", // moves by half an hour
    "Africa/Monrovia",     // seconds in its offset
    "Africa/Casablanca",   // four changes a year
    "Asia/Gaza",           // changes at midnight
];

#[test]
fn every_day_of_130_years() {
    let most = std::env::var("SOAK_ZONES").ok().and_then(|zones| zones.parse().ok()).unwrap_or(STRANGE.len());
    let until: Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
    let zones = zones();
    let others = zones.keys().map(String::as_str).filter(|name| !STRANGE.contains(name));
    let mut count = 0;
    let mut walked = 0;
    for name in STRANGE.into_iter().chain(others).take(most) {
        let zone = Zone::named(name).unwrap();
        let days = walk(zone, Zone::day, Timestamp::EPOCH, until);
        for day in &days {
            assert_opens_a_date(&zones[name], *day, by_day);
        }
        // 130 years of 365 days and 32 leap days, one more where the epoch falls inside a day, one less where a date was
        // skipped.
        assert!((47_481..=47_484).contains(&days.len()), "{name}: {} days", days.len());
        ask_out_of_order(zone, Zone::day, &days);
        count += days.len();
        walked += 1;
    }
    println!("{count} days of {walked} zones");
    assert_eq!(walked, most.min(zones.len()));
}
