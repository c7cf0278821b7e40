//! What may happen to a gate, drawn at random and small enough to collide.

use enclava_keys::budget::{Limits, Money, Threshold};
use enclava_keys::{Timestamp, Usage};
use proptest::prelude::*;

/// Places for keys: few, so that things happen to the same one.
pub(crate) const SLOTS: usize = 3;
pub(crate) const ZONES: [&str; 5] =
    ["UTC", "America/New_York", "Asia/Tokyo", "Pacific/Kiritimati", "America/St_Johns"];

/// One thing that happens. A `slot` is a place for a key; a `call` counts back from the last call made.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Create {
        slot: usize,
        limits: Limits,
        zone: usize,
    },
    Authorize {
        slot: usize,
        secret: usize,
        estimate: Usage,
        request: Option<u8>,
        /// Whether a dry run comes first, which has lapse what is due.
        foretold: bool,
    },
    /// The usage of a key is asked for, which charges what lapsed.
    Look {
        slot: usize,
    },
    Dispatched {
        call: usize,
    },
    Progress {
        call: usize,
        usage: Usage,
    },
    Extend {
        call: usize,
        more: Usage,
    },
    Settle {
        call: usize,
        bill: Bill,
    },
    Release {
        call: usize,
    },
    Drop {
        call: usize,
    },
    Detach {
        call: usize,
    },
    /// The holder goes without a word, as one that is killed does.
    Crash {
        call: usize,
    },
    SettleById {
        call: usize,
        bill: Bill,
    },
    ReleaseById {
        call: usize,
    },
    Record {
        slot: usize,
        usage: Usage,
        request: Option<u8>,
    },
    Clock(Clock),
    Edit {
        slot: usize,
        change: Change,
        widen: bool,
    },
    Disable {
        slot: usize,
    },
    Enable {
        slot: usize,
    },
    Revoke {
        slot: usize,
    },
    Rotate {
        slot: usize,
        overlap: u64,
    },
    Delete {
        slot: usize,
    },
}

/// What a call came to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bill {
    /// What was estimated for it.
    Estimate,
    /// This, whatever was estimated.
    Of(Usage),
}

/// How the clock moves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// Seconds, forward or back.
    By(i64),
    /// To the end of the current day or month of a key, or so many microseconds off it.
    ToEnd { slot: usize, month: bool, off: i64 },
}

/// What an edit changes: one field, to a value or to none.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    DailySpend(Option<Money>),
    MonthlySpend(Option<Money>),
    DailyTokens(Option<u64>),
    Threshold(Option<Threshold>),
    Zone(usize),
}

/// Instants near which there is something to get wrong: month ends, a leap day, clocks that change.
pub(crate) fn start() -> impl Strategy<Value = Timestamp> {
    prop::sample::select(vec![
        "2026-11-30T23:55:00Z",
        "2026-03-08T04:45:00Z",
        "2026-11-01T03:45:00Z",
        "2026-12-31T23:59:59.999999Z",
        "2028-02-29T09:55:00Z",
        "2010-11-07T02:20:00Z",
    ])
    .prop_map(|text| text.parse().unwrap())
}

fn money() -> impl Strategy<Value = Money> {
    let tenths = |tenths: i128| tenths * 100_000_000_000;
    prop_oneof![
        2 => Just(0),
        12 => (1..=12_i128).prop_map(tenths),
        1 => (0..=12_i128).prop_map(move |n| tenths(n) + 1),
    ]
    .prop_map(|picos| Money::from_picos(picos).unwrap())
}

fn usage() -> impl Strategy<Value = Usage> {
    prop_oneof![
        1 => Just(Usage::ZERO),
        8 => (money(), 0..=12_u64).prop_map(|(cost, tokens)| Usage::new(cost, tokens)),
    ]
}

fn bill() -> impl Strategy<Value = Bill> {
    prop_oneof![Just(Bill::Estimate), usage().prop_map(Bill::Of)]
}

fn limit() -> impl Strategy<Value = Option<Money>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(0)),
        12 => (1..=40_i128).prop_map(|tenths| Some(tenths * 100_000_000_000)),
        1 => Just(Some(1)),
    ]
    .prop_map(|picos| picos.map(|picos| Money::from_picos(picos).unwrap()))
}

fn token_limit() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![4 => Just(None), 1 => Just(Some(0)), 12 => (1..=60_u64).prop_map(Some)]
}

fn threshold() -> impl Strategy<Value = Option<Threshold>> {
    prop::sample::select(vec![0, 1, 2_500, 3_333, 5_000, 8_000, 9_999, 10_000])
        .prop_map(|points| Threshold::from_basis_points(points).ok())
}

fn limits() -> impl Strategy<Value = Limits> {
    (limit(), limit(), token_limit(), threshold()).prop_map(
        |(daily_spend, monthly_spend, daily_tokens, alert_threshold)| Limits {
            daily_spend,
            monthly_spend,
            daily_tokens,
            alert_threshold,
        },
    )
}

fn clock() -> impl Strategy<Value = Clock> {
    const DAY: i64 = 86_400;
    prop_oneof![
        4 => prop::sample::select(vec![1, 60, 599, 600, 601, 3_600]).prop_map(Clock::By),
        2 => (-4..=4_i64).prop_map(|hours| Clock::By(hours * 3_600)),
        2 => (-3..=3_i64).prop_map(|days| Clock::By(days * DAY)),
        1 => (-2..=2_i64).prop_map(|months| Clock::By(months * 31 * DAY)),
        1 => (-1_800..=0_i64).prop_map(Clock::By),
        4 => (slot(), any::<bool>(), -1..=1_i64)
            .prop_map(|(slot, month, off)| Clock::ToEnd { slot, month, off }),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        limit().prop_map(Change::DailySpend),
        limit().prop_map(Change::MonthlySpend),
        token_limit().prop_map(Change::DailyTokens),
        threshold().prop_map(Change::Threshold),
        (0..ZONES.len()).prop_map(Change::Zone),
    ]
}

fn slot() -> impl Strategy<Value = usize> {
    prop_oneof![12 => Just(0_usize), 3 => Just(1), 1 => Just(2)]
}

// Mostly one of the last few calls, now and then an old one.
fn call() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..4_usize, 2 => 0..20_usize]
}

fn request() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![3 => Just(None), 2 => (0..2_u8).prop_map(Some)]
}

pub(crate) fn create(slot: impl Strategy<Value = usize>) -> impl Strategy<Value = Op> {
    (slot, limits(), 0..ZONES.len()).prop_map(|(slot, limits, zone)| Op::Create { slot, limits, zone })
}

/// Anything that may happen to a call or to time.
pub(crate) fn anything() -> impl Strategy<Value = Op> {
    // The same few estimates again and again for calls with a request id: the same request, or almost.
    let same = prop::sample::select(vec![0, 3]).prop_map(|tokens| Usage::new(Money::PICO, tokens));
    let secret = prop_oneof![8 => Just(0_usize), 2 => 0..12_usize];
    let authorize = (slot(), secret, usage(), same, request(), any::<bool>()).prop_map(
        |(slot, secret, usage, same, request, foretold)| {
            let estimate = if request.is_some() { same } else { usage };
            Op::Authorize { slot, secret, estimate, request, foretold }
        },
    );
    let on_call = prop_oneof![
        4 => call().prop_map(|call| Op::Dispatched { call }),
        2 => (call(), usage()).prop_map(|(call, usage)| Op::Progress { call, usage }),
        3 => (call(), usage()).prop_map(|(call, more)| Op::Extend { call, more }),
        16 => (call(), bill()).prop_map(|(call, bill)| Op::Settle { call, bill }),
        2 => call().prop_map(|call| Op::Release { call }),
        4 => call().prop_map(|call| Op::Drop { call }),
        2 => call().prop_map(|call| Op::Detach { call }),
        2 => call().prop_map(|call| Op::Crash { call }),
        4 => (call(), bill()).prop_map(|(call, bill)| Op::SettleById { call, bill }),
        1 => call().prop_map(|call| Op::ReleaseById { call }),
    ];
    prop_oneof![
        30 => authorize,
        36 => on_call,
        4 => (slot(), usage(), request()).prop_map(|(slot, usage, request)| Op::Record { slot, usage, request }),
        10 => clock().prop_map(Op::Clock),
        6 => slot().prop_map(|slot| Op::Look { slot }),
        6 => (slot(), change(), any::<bool>()).prop_map(|(slot, change, widen)| Op::Edit { slot, change, widen }),
        3 => on_key(),
        3 => create(slot()),
    ]
}

fn on_key() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => slot().prop_map(|slot| Op::Disable { slot }),
        4 => slot().prop_map(|slot| Op::Enable { slot }),
        1 => slot().prop_map(|slot| Op::Revoke { slot }),
        4 => (slot(), prop::sample::select(vec![0, 60, 86_400])).prop_map(|(slot, overlap)| Op::Rotate { slot, overlap }),
        3 => slot().prop_map(|slot| Op::Delete { slot }),
    ]
}
