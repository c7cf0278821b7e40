//! `kill -9` at random moments: afterwards the books balance. Nothing that was acknowledged is lost, nothing is charged
//! twice, and no cap is passed.
//!
//! `SOAK_KILLS` says how often; a few dozen times in `cargo test`.

#![cfg(all(feature = "sqlite", unix))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

#[path = "sqlite_crash/making.rs"]
mod making;
mod sqlite_worker;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use enclava_keys::budget::{Amount, PermitId};
use enclava_keys::engine::Sqlite;
use enclava_keys::gate::NewKey;
use enclava_keys::{Error, Gate, KeyId, KeySpec, Money, Request, Usage};
use sqlite_worker::{Place, Running, play, url, wait_for};

const THREADS: usize = 4;
const LIMIT: &str = "2.00";
const ESTIMATE: &str = "0.01";

#[test]
fn worker() {
    play(&[("traffic", traffic), ("leased", leased), ("back_up", back_up), ("make", making::make)]);
}

fn kills() -> u64 {
    std::env::var("SOAK_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(24)
}

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

// What call number `call` of a thread comes to: every call something else, never more than the estimate.
fn bill(call: u64) -> Money {
    Money::from_picos(1_000_000_000 + i128::from(call % 9_000) * 1_000_000).unwrap()
}

// One line for each thing that is begun (small letters) or acknowledged (capitals), written at once, so that it outlives
// the process: `a r` asks for a call under the request id r, `A r id` is its permit; `s r` settles it, `S r`; `l r` lets
// it go, `L r`; `c r` charges without a permit, `C r`. `D r` is a denial.
fn traffic(words: &[&str]) -> String {
    let &[url, log, secret, from] = words else { panic!() };
    let gate = Gate::open(url).unwrap();
    let id = gate.verify(secret).unwrap().id().clone();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (gate, id) = (&gate, &id);
            let mut log =
                OpenOptions::new().append(true).create(true).open(format!("{log}.{thread}")).unwrap();
            let mut note = move |line: String| log.write_all((line + "\n").as_bytes()).unwrap();
            let first: u64 = from.parse().unwrap();
            scope.spawn(move || {
                for call in first.. {
                    let name = format!("{thread}-{call}");
                    if call % 5 == 4 {
                        note(format!("c {name}"));
                        gate.record(id, Usage::new(bill(call), 1), Some(&name)).unwrap();
                        note(format!("C {name}"));
                        continue;
                    }
                    note(format!("a {name}"));
                    let request = Request::new(secret).cost(usd(ESTIMATE)).tokens(1).request_id(&name);
                    let Ok(mut permit) = gate.authorize(&request) else {
                        note(format!("D {name}"));
                        std::thread::sleep(Duration::from_millis(1));
                        continue;
                    };
                    note(format!("A {name} {}", permit.id()));
                    if call % 5 == 1 {
                        note(format!("l {name}"));
                        permit.release().unwrap();
                        note(format!("L {name}"));
                    } else {
                        note(format!("s {name}"));
                        permit.settle(Usage::new(bill(call), 1)).unwrap();
                        note(format!("S {name}"));
                    }
                }
            });
        }
    });
    String::new()
}

/// What the logs of one process tell.
#[derive(Default)]
struct Told {
    // By the name of the call: the last thing said of it.
    calls: BTreeMap<String, char>,
    permits: BTreeMap<String, PermitId>,
    acknowledged: i128,
    last: u64,
}

fn number(name: &str) -> u64 {
    name.split_once('-').unwrap().1.parse().unwrap()
}

fn read(log: &Path) -> Told {
    let mut told = Told::default();
    for thread in 0..THREADS {
        let text = fs::read_to_string(format!("{}.{thread}", log.display())).unwrap_or_default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (what, name) = (words.next().unwrap().chars().next().unwrap(), words.next().unwrap());
            if let Some(permit) = words.next() {
                told.permits.insert(name.to_owned(), permit.parse().unwrap());
            }
            if what == 'S' || what == 'C' {
                told.acknowledged += bill(number(name)).as_picos();
            }
            told.calls.insert(name.to_owned(), what);
            told.last = told.last.max(number(name));
        }
    }
    told
}

/// Brings what was under way to its end, each call once, and answers what that charged.
fn finish(gate: &Gate, secret: &str, id: &KeyId, told: &Told) -> i128 {
    let mut charged = 0;
    for (name, what) in &told.calls {
        let usage = Usage::new(bill(number(name)), 1);
        match what {
            // Whether it was admitted or not: the same request finds its hold, or makes it.
            'a' => {
                let request = Request::new(secret).cost(usd(ESTIMATE)).tokens(1).request_id(name);
                if let Ok(permit) = gate.authorize(&request) {
                    let permit = permit.detach();
                    gate.release(&permit).unwrap();
                }
            }
            'A' => {
                gate.release(&told.permits[name]).unwrap();
            }
            's' => {
                match gate.settle(&told.permits[name], usage) {
                    Ok(_) => {}
                    Err(Error::AlreadySettled(first)) => assert_eq!(first.usage, usage),
                    Err(error) => panic!("{name}: {error}"),
                }
                charged += usage.cost.as_picos();
            }
            'l' => match gate.release(&told.permits[name]) {
                Ok(()) => {}
                Err(Error::AlreadySettled(first)) => assert_eq!(first.usage, Usage::ZERO),
                Err(error) => panic!("{name}: {error}"),
            },
            'c' => {
                match gate.record(id, usage, Some(name)) {
                    // Charged now, or before.
                    Ok(_) | Err(Error::Conflict(_)) => {}
                    Err(error) => panic!("{name}: {error}"),
                }
                charged += usage.cost.as_picos();
            }
            _ => {}
        }
    }
    charged
}

fn used(gate: &Gate, id: &KeyId) -> (i128, i128) {
    let picos = |amount| match amount {
        Amount::Spend(money) => money.as_picos(),
        Amount::Tokens(_) => panic!(),
    };
    let today = gate.usage(id).unwrap().monthly_spend;
    (picos(today.used), picos(today.held))
}

// A number nobody foresees, below `bound`.
fn random(bound: u64) -> u64 {
    let mut bytes = [0; 8];
    std::io::Read::read_exact(&mut File::open("/dev/urandom").unwrap(), &mut bytes).unwrap();
    u64::from_le_bytes(bytes) % bound
}

fn start_traffic(place: &Place, log: &Path, made: &NewKey, from: u64) -> Running {
    let words = [&place.url(), log.to_str().unwrap(), made.secret.reveal(), &from.to_string()];
    let child = Running::start("traffic", &words);
    wait_for(|| fs::metadata(format!("{}.0", log.display())).is_ok_and(|log| log.len() > 0));
    child
}

fn spec() -> KeySpec {
    KeySpec::new("k").monthly_spend_limit(LIMIT)
}

#[test]
fn the_books_balance_after_every_kill() {
    let (mut kills_left, mut killed, mut calls) = (kills(), 0, 0);
    while kills_left > 0 {
        let place = Place::new();
        // A key for each of two processes: what one had under way is still remembered when the other is dead as well.
        let mut desks = [0, 1].map(|_| (place.open().create_key(&spec()).unwrap(), 0, 0));
        // Until the budgets are spent, and a little longer.
        for round in 0..12 {
            let log = |desk: usize| place.file(&format!("log-{round}-{desk}"));
            let start = |desk: usize| start_traffic(&place, &log(desk), &desks[desk].0, desks[desk].1);
            let mut children = [start(0), start(1)];
            for child in &mut children {
                std::thread::sleep(Duration::from_micros(random(20_000)));
                child.kill();
            }
            let gate = place.open();
            for (desk, (made, from, expected)) in desks.iter_mut().enumerate() {
                let told = read(&log(desk));
                *expected += told.acknowledged + finish(&gate, made.secret.reveal(), made.key.id(), &told);
                *from = told.last + 1;
                calls += told.calls.len();
                assert_eq!(used(&gate, made.key.id()), (*expected, 0), "round {round}");
            }
            assert!(Sqlite::open(&place.url()).unwrap().doctor().unwrap().faults.is_empty());
            killed += 2;
            kills_left = kills_left.saturating_sub(2);
            if kills_left == 0 {
                break;
            }
        }
    }
    println!("{killed} kills among {calls} calls; the books balanced after each");
}

// Copies the database over and over.
fn back_up(words: &[&str]) -> String {
    let database = Sqlite::open(words[0]).unwrap();
    for number in 0_u64.. {
        database.backup(format!("{}.{number}", words[1])).unwrap();
    }
    String::new()
}

// Calls out of leases, one line for each that is over: what it came to, in picos.
fn leased(words: &[&str]) -> String {
    let &[url, log, secret] = words else { panic!() };
    let gate = Gate::builder().leased(true).open(url).unwrap();
    let log = OpenOptions::new().append(true).create(true).open(log).unwrap();
    std::thread::scope(|scope| {
        for thread in (0_u64..).take(THREADS) {
            let (gate, mut log) = (&gate, &log);
            scope.spawn(move || {
                for call in 0.. {
                    let Ok(mut permit) = gate.authorize(&Request::new(secret).cost(usd(ESTIMATE)).tokens(1))
                    else {
                        std::thread::sleep(Duration::from_millis(1));
                        continue;
                    };
                    let bill = bill(thread * 1_000 + call);
                    permit.settle(Usage::new(bill, 1)).unwrap();
                    log.write_all(format!("{}\n", bill.as_picos()).as_bytes()).unwrap();
                    if call % 50 == 49 {
                        // Reports and gives back, so that kills meet all of the protocol.
                        gate.flush().unwrap();
                    }
                }
            });
        }
    });
    String::new()
}

// What a process had leased and not reported when it was killed stays held, in full; so used and held cover all that was
// acknowledged, and never pass the cap. Once an operator has settled the leases of the dead in full, so does used.
#[test]
fn leases_of_the_killed_stay_charged_and_no_cap_is_passed() {
    let (mut kills_left, mut killed, mut found) = (kills() / 2, 0, 0);
    while kills_left > 0 {
        let place = Place::new();
        let made = place.open().create_key(&spec()).unwrap();
        let (id, cap) = (made.key.id(), usd(LIMIT).as_picos());
        let mut acknowledged = 0;
        for round in 0..4 {
            let logs = [0, 1].map(|child| place.file(&format!("leased-{round}-{child}")));
            let mut children = logs.each_ref().map(|log| {
                let words = [&place.url(), log.to_str().unwrap(), made.secret.reveal()];
                Running::start("leased", &words)
            });
            std::thread::sleep(Duration::from_micros(20_000 + random(60_000)));
            for child in &mut children {
                std::thread::sleep(Duration::from_micros(random(10_000)));
                child.kill();
            }
            for log in logs {
                let text = fs::read_to_string(log).unwrap_or_default();
                // The last line may be cut off.
                let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
                acknowledged += whole.lines().map(|line| line.parse::<i128>().unwrap()).sum::<i128>();
            }
            let gate = place.open();
            let (used, held) = used(&gate, id);
            assert!(used + held <= cap, "{used} used and {held} held of {cap}");
            assert!(used + held >= acknowledged, "{used} used and {held} held of {acknowledged}");
            assert!(Sqlite::open(&place.url()).unwrap().doctor().unwrap().faults.is_empty());
            killed += 2;
            kills_left = kills_left.saturating_sub(2);
        }
        let gate = place.open();
        for lease in gate.leases(id).unwrap() {
            gate.settle(&lease.permit_id, lease.holds).unwrap();
            found += 1;
        }
        // Near the cap calls were held by the database itself: those that nobody settled lapse.
        let (used, _) = used(&gate, id);
        assert!(used <= cap);
        assert_eq!(gate.leases(id).unwrap(), []);
    }
    println!("{killed} kills of processes with leases; {found} leases were left and settled");
}

#[test]
fn a_backup_is_whole_whatever_was_killed() {
    let kills = kills() / 2;
    let mut whole = 0;
    for _ in 0..kills.div_ceil(6) {
        let place = Place::new();
        let made = place.open().create_key(&spec()).unwrap();
        let mut traffic = start_traffic(&place, &place.file("log"), &made, 0);
        for round in 0..6 {
            let to = place.file(&format!("backup-{round}"));
            let words = [&place.url(), to.to_str().unwrap()];
            let mut child = Running::start("back_up", &words);
            std::thread::sleep(Duration::from_micros(20_000 + random(60_000)));
            child.kill();
        }
        traffic.kill();
        let gate = place.open();
        let told = read(&place.file("log"));
        let expected = told.acknowledged + finish(&gate, made.secret.reveal(), made.key.id(), &told);
        assert_eq!(used(&gate, made.key.id()), (expected, 0), "copying changes nothing");
        for entry in fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().path()) {
            if !entry.file_name().unwrap().to_str().unwrap().starts_with("backup-") {
                continue;
            }
            assert_eq!(
                Sqlite::open(&url(&entry)).unwrap().doctor().unwrap().faults,
                [""; 0],
                "{}",
                entry.display()
            );
            let (copied, _) = used(&Gate::open(&url(&entry)).unwrap(), made.key.id());
            assert!(copied <= expected);
            whole += 1;
            for end in ["-wal", "-shm", "-turn", "-next"] {
                let _ = fs::remove_file(format!("{}{end}", entry.display()));
            }
        }
    }
    println!("{kills} kills amid backups; {whole} backups were made and each is whole");
}

fn signal(child: &Running, signal: libc::c_int) {
    // SAFETY: a signal to a child of ours that was not waited for.
    assert_eq!(unsafe { libc::kill(i32::try_from(child.0.id()).unwrap(), signal) }, 0);
}

// The places of the journal that its next transaction will not overwrite, and what names its present pass.
fn journal_of(place: &Place) -> (Vec<u8>, [u8; 8]) {
    let bytes = fs::read(place.file("enclava.db-wal")).unwrap();
    let salt = bytes.get(16..24).map_or([0; 8], |salt| salt.try_into().unwrap());
    (bytes, salt)
}

// A power cut takes what was written and not yet forced to the disk, in whole or in part; what was acknowledged was forced
// there. So the journal is cut off anywhere behind what was there at the last look, and garbage may follow.
#[test]
fn what_was_acknowledged_outlives_a_power_cut() {
    let cuts = kills();
    let (mut made_cuts, mut lost) = (0, 0);
    while made_cuts < cuts {
        let place = Place::new();
        let made = place.open().create_key(&KeySpec::new("k").monthly_spend_limit(1_000_000)).unwrap();
        let log = place.file("log");
        let mut child = start_traffic(&place, &log, &made, 0);
        for cut in 0..6 {
            std::thread::sleep(Duration::from_micros(random(30_000)));
            signal(&child, libc::SIGSTOP);
            let told = read(&log);
            let (safe, pass) = journal_of(&place);
            signal(&child, libc::SIGCONT);
            std::thread::sleep(Duration::from_micros(random(30_000)));
            signal(&child, libc::SIGSTOP);
            let (mut journal, same_pass) = journal_of(&place);
            let database = fs::read(place.file("enclava.db")).unwrap();
            signal(&child, libc::SIGCONT);
            if pass != same_pass || journal.len() < safe.len() {
                continue;
            }
            let more = u64::try_from(journal.len() - safe.len()).unwrap();
            let kept = safe.len() + usize::try_from(random(more + 1)).unwrap();
            lost += u64::from(kept < journal.len());
            journal.truncate(kept);
            journal.extend(std::iter::repeat_n(0x5a, usize::try_from(random(5_000)).unwrap()));
            let copy = place.file(&format!("cut-{cut}.db"));
            fs::write(&copy, database).unwrap();
            fs::write(format!("{}-wal", copy.display()), journal).unwrap();

            let gate = Gate::open(&url(&copy)).unwrap();
            let (used, _) = used(&gate, made.key.id());
            assert!(used >= told.acknowledged, "{used} is left of {}", told.acknowledged);
            for (name, permit) in &told.permits {
                // Whatever was acknowledged of a call is known, and it is charged at most once.
                let usage = Usage::new(bill(number(name)), 1);
                match (told.calls[name], gate.settle(permit, usage)) {
                    ('S', Err(Error::AlreadySettled(first))) => assert_eq!(first.usage, usage),
                    ('L', Err(Error::AlreadySettled(first))) => assert_eq!(first.usage, Usage::ZERO),
                    // Resolved since, or so long ago that it is forgotten.
                    ('S' | 'L', Err(Error::NotFound(_))) | ('A' | 's' | 'l', _) => {}
                    (what, other) => panic!("{what} {name}: {other:?}"),
                }
            }
            let faults = Sqlite::open(&url(&copy)).unwrap().doctor().unwrap().faults;
            assert!(faults.iter().all(|fault| fault.contains("others may use")), "{faults:?}");
            made_cuts += 1;
        }
        child.kill();
    }
    println!(
        "{made_cuts} power cuts, {lost} of which took something with them; nothing acknowledged was lost"
    );
}
