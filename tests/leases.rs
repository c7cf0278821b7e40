//! Leases: many processes draw on one budget, and whatever becomes of them and of their messages, no cap is passed.
//!
//! `SOAK_WORLDS` says how many worlds are tried; a few hundred in `cargo test`.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

#[path = "leases/behaviour.rs"]
mod behaviour;
#[path = "leases/link.rs"]
mod link;
#[path = "leases/protocol.rs"]
mod protocol;
#[path = "leases/random.rs"]
mod random;
#[path = "leases/world.rs"]
mod world;

use world::{Tale, World};

#[test]
fn every_state_of_the_protocol_keeps_to_the_cap() {
    let letters = std::env::var("SOAK_LETTERS").ok().and_then(|letters| letters.parse().ok()).unwrap_or(2);
    let states = protocol::explore(protocol::Bounds { cap: 2, letters: [letters, letters - 1] });
    println!("{states} states of the protocol with up to {letters} letters from a process");
    assert!(states > 1_000, "{states}");
}

#[test]
fn no_world_passes_a_cap_or_strands_what_is_left() {
    let worlds = std::env::var("SOAK_WORLDS").ok().and_then(|worlds| worlds.parse().ok()).unwrap_or(400);
    let first = std::env::var("SOAK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let mut sum = Tale::default();
    for seed in first..first + worlds {
        let tale = std::panic::catch_unwind(|| World::new(seed).live(400));
        let tale = tale.unwrap_or_else(|_| panic!("in the world of SOAK_SEED={seed} SOAK_WORLDS=1"));
        sum.add(&tale);
    }
    println!("{worlds} worlds: {sum:?}");
    // The worlds are worth something only if all of it happens in them.
    let counts = [
        sum.admitted,
        sum.local,
        sum.refused,
        sum.finally,
        sum.failed,
        sum.crashed,
        sum.links.lost,
        sum.links.unanswered,
        sum.links.doubled,
    ];
    assert!(worlds < 100 || counts.iter().all(|count| *count > 100), "{sum:?}");
    assert!(worlds < 100 || sum.local * 2 > sum.admitted, "most calls are admitted out of leases: {sum:?}");
}
