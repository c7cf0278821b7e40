//! The peers: the nearest libraries at the nearest thing that they do. Neither authenticates, knows models or is exact
//! about money; `governor` does not even count spend.

#![allow(missing_docs, reason = "criterion_group! writes a public function")]

use std::collections::HashMap;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use enclava_benches::two_threads;
use governor::{Quota, RateLimiter};
use limitador::RateLimiter as Limitador;
use limitador::limit::{Context, Limit, Namespace};

const KEY: &str = "key_01h455vb4pex5vsknk084sn02q";
const DAY: u64 = 86_400;
const PLENTY: u64 = 1 << 50;

criterion_group! {
    name = peers;
    config = enclava_benches::config();
    targets = governor, limitador
}
criterion_main!(peers);

fn governor(c: &mut Criterion) {
    let limiter = RateLimiter::keyed(Quota::per_second(NonZeroU32::MAX));
    let key = KEY.to_owned();
    c.bench_function("governor/check", |b| b.iter(|| limiter.check_key(black_box(&key)).is_ok()));
}

// Three limits on one key, as ours. It tells limits of one key apart by their windows, so the second day is a second
// longer. The context is built beforehand, which is in its favour.
fn limitador(c: &mut Criterion) {
    let limiter = Limitador::new(10_000);
    let namespace = Namespace::from("gateway");
    for (name, seconds) in [("daily_spend", DAY), ("monthly_spend", 30 * DAY), ("daily_tokens", DAY + 1)] {
        let variables = vec!["key".try_into().expect("a variable")];
        assert!(limiter.add_limit(Limit::with_id(
            name,
            namespace.clone(),
            PLENTY,
            seconds,
            vec![],
            variables
        )));
    }
    let context = || Context::from(HashMap::from([("key".to_owned(), KEY.to_owned())]));
    let ttl = Some(Duration::from_mins(1));
    let reserve_and_commit = |context: &Context| {
        let held = limiter.reserve(&namespace, context, 2, ttl).expect("a reservation");
        assert!(!held.limited && held.counters.len() == 3);
        let id = held.reservation_id.as_ref();
        limiter.commit_reservation(&namespace, context, id, 1).expect("a commit").reservation_released
    };

    let shared = context();
    c.bench_function("limitador/check-and-update", |b| {
        b.iter(|| limiter.check_rate_limited_and_update(&namespace, black_box(&shared), 1).is_ok());
    });
    c.bench_function("limitador/reserve-and-commit", |b| b.iter(|| reserve_and_commit(black_box(&shared))));
    c.bench_function("limitador/reserve-and-commit/two-threads", |b| {
        b.iter_custom(|iterations| {
            two_threads(iterations, |_| {
                let own = context();
                let reserve_and_commit = &reserve_and_commit;
                move || assert!(reserve_and_commit(black_box(&own)))
            })
        });
    });
}
