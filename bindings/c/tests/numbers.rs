//! Numbers that programs were compiled with never move, and mean what the core says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::as_conversions, reason = "an enum of C is its number")]

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::Path;

use enclava::*;
use enclava_keys::budget::Meter;
use enclava_keys::engine::Sqlite;
use enclava_keys::{Gate, Reason};

/// Every constant of the header. Lines are added, never changed.
const NUMBERS: &str = "
    ABI_VERSION 0
    BODY_INCLUDE_USAGE 1
    DIALECT_ANTHROPIC 1
    DIALECT_OPENAI 0
    HEADER_API_KEY 2
    HEADER_X_API_KEY 1
    HEADER_X_GOOG_API_KEY 4
    HOLD_OTHERS 3
    KEY_ID_TEXT 65
    KEY_STATE_ACTIVE 1
    KEY_STATE_DISABLED 3
    KEY_STATE_EXPIRED 5
    KEY_STATE_NOT_YET_VALID 4
    KEY_STATE_REVOKED 2
    METER_DAILY_SPEND 1
    METER_DAILY_TOKENS 3
    METER_MONTHLY_SPEND 2
    MONEY_TEXT 24
    OUTCOME_KIND_CROWDED 3
    OUTCOME_KIND_ELSEWHEN 5
    OUTCOME_KIND_REFUSED 2
    OUTCOME_KIND_TAKEN 1
    OUTCOME_KIND_UNEXPECTED 4
    PERMIT_ID_TEXT 92
    PHASE_DROPPED 4
    PHASE_LAPSED 5
    PHASE_LIVE 1
    PHASE_RELEASED 3
    PHASE_SETTLED 2
    PRICE_FORMAT_JSON 1
    PRICE_FORMAT_LITELLM 2
    PRICE_FORMAT_TOML 0
    REASON_DAILY_SPEND_EXCEEDED 16
    REASON_DAILY_TOKENS_EXCEEDED 18
    REASON_ENDPOINT_NOT_ALLOWED 10
    REASON_INTERNAL_ERROR 20
    REASON_IP_NOT_ALLOWED 9
    REASON_KEY_DISABLED 6
    REASON_KEY_EXPIRED 8
    REASON_KEY_NOT_YET_VALID 7
    REASON_KEY_REVOKED 5
    REASON_LEDGER_UNAVAILABLE 19
    REASON_MALFORMED_KEY 2
    REASON_MISSING_KEY 1
    REASON_MODEL_MISSING 12
    REASON_MODEL_NOT_ALLOWED 13
    REASON_MODEL_NOT_PRICED 14
    REASON_MONTHLY_SPEND_EXCEEDED 17
    REASON_NONE 0
    REASON_PURPOSE_NOT_ALLOWED 11
    REASON_RATE_LIMITED 15
    REASON_SECRET_RETIRED 4
    REASON_UNKNOWN_KEY 3
    RULE_DAILY_SPEND 6
    RULE_DAILY_TOKENS 8
    RULE_ENDPOINT 3
    RULE_IN_FLIGHT 9
    RULE_IP 2
    RULE_KEY 1
    RULE_MODEL 5
    RULE_MONTHLY_SPEND 7
    RULE_PURPOSE 4
    STATUS_ALREADY_SETTLED 21
    STATUS_BUFFER_TOO_SMALL 4
    STATUS_BUSY 5
    STATUS_CONFLICT 20
    STATUS_DENIED 16
    STATUS_INVALID_RECORD 18
    STATUS_INVALID_VALUE 17
    STATUS_LEDGER 64
    STATUS_NOT_FOUND 19
    STATUS_NOT_UTF8 2
    STATUS_NULL_ARGUMENT 1
    STATUS_OK 0
    STATUS_PANIC 255
    STATUS_STRUCT_SIZE 3
    UPDATE_WIDEN 1
    VERDICT_ADMIT 1
    VERDICT_DENY 0
";

#[test]
fn no_number_moves() {
    let listed: BTreeMap<String, i64> = NUMBERS
        .split_terminator('\n')
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(name, number)| (format!("ENCLAVA_{name}"), number.parse().unwrap()))
        .collect();
    assert_eq!(constants(&header()), listed);
}

#[test]
fn reasons_are_those_of_the_core() {
    let header = header();
    for (place, reason) in Reason::ALL.into_iter().enumerate() {
        let number = enclava_reason::from(reason) as i32;
        assert_eq!(number, i32::try_from(place + 1).unwrap(), "{reason}");
        assert_eq!(text(enclava_reason_text(number)), reason.as_str());
        let name = format!("  ENCLAVA_REASON_{} = {number},", reason.as_str().to_uppercase());
        let (before, _) = header.split_once(&name).unwrap();
        let comment = before.lines().last().unwrap();
        assert!(comment.contains(&format!("/** {}: ", reason.status())), "{comment}");
    }
    for number in [0, -1, 21, i32::MAX, i32::MIN] {
        assert_eq!(text(enclava_reason_text(number)), "none");
    }
}

#[test]
fn every_status_has_a_name() {
    for (name, number) in constants(&header()) {
        let Some(name) = name.strip_prefix("ENCLAVA_STATUS_") else { continue };
        let told = text(enclava_status_text(i32::try_from(number).unwrap()));
        let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
        assert!(plain(told).starts_with(&plain(name)), "{name}: {told}");
    }
    for number in [-1, 6, 15, 22, 65, 254, 256, i32::MIN] {
        assert_eq!(text(enclava_status_text(number)), "unknown status");
    }
}

#[test]
fn there_is_a_number_for_every_meter() {
    assert_eq!(
        Meter::ALL.len(),
        3,
        "enclava_meter needs another number, and enclava_balances another balance"
    );
}

#[test]
fn the_header_names_what_objects_hold() {
    let folder = tempfile::TempDir::new().unwrap();
    let url = format!("sqlite:///{}/keys.db", folder.path().display());
    let stats = serde_json::to_value(Gate::open("memory:").unwrap().stats()).unwrap();
    let health = serde_json::to_value(Sqlite::open(&url).unwrap().doctor().unwrap()).unwrap();
    for (name, object) in [("enclava_gate_stats", stats), ("enclava_health_json", health)] {
        let header = header();
        let (before, _) = header.split_once(&format!(" {name}(")).unwrap();
        let (_, comment) = before.rsplit_once("/**").unwrap();
        for field in object.as_object().unwrap().keys() {
            assert!(comment.contains(&format!("`{field}`")), "{name} holds {field}, too");
        }
    }
}

#[test]
fn structs_that_may_grow_are_as_large_as_in_their_first_header() {
    // A field was added: leave the first size as it is in `sized`, and say the new one here.
    assert_eq!(size_of::<enclava_request>(), 136);
    assert_eq!(size_of::<enclava_options>(), 120);
    assert_eq!(size_of::<enclava_permit_info>(), 56);
    assert_eq!(size_of::<enclava_balances>(), 344);
    assert_eq!(size_of::<enclava_alert_info>(), 80);
    assert_eq!(size_of::<enclava_tally>(), 48);
    assert_eq!(size_of::<enclava_ledger_vtable>(), 64);
    assert_eq!(size_of::<enclava_store_vtable>(), 40);
}

fn header() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include/enclava.h")).unwrap()
}

fn constants(header: &str) -> BTreeMap<String, i64> {
    let defined = header.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    let listed = header.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "));
    defined.chain(listed).filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?))).collect()
}

fn text(text: *const std::ffi::c_char) -> &'static str {
    // SAFETY: the texts of numbers are static and end with a NUL.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap()
}
