//! Short texts: names, secrets and what is kept of them, amounts, instants.

use std::str::from_utf8;

use enclava_keys::budget::{HoldId, Money, PermitId};
use enclava_keys::key::{
    Digest, HintStyle, Peppers, Prefix, SecretFormat, SecretHash, check_shape, checksum_holds,
};
use enclava_keys::{KeyId, Secret, Timestamp};

/// A key id reads back from its own text, and its text is short and plain.
pub fn key_id(data: &[u8]) {
    let Some(id) = from_utf8(data).ok().and_then(|text| text.parse::<KeyId>().ok()) else { return };
    let text = id.to_string();
    assert!(text.len() <= 64 && text.is_ascii());
    assert_eq!(text.as_bytes(), data);
    assert_eq!(text.parse(), Ok(id));
}

/// An amount reads back from its own text, in every form, and rounding up never lowers it or adds a pico-dollar.
pub fn money(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let up = Money::parse_rounded_up(text);
    let Ok(exact) = text.parse::<Money>() else { return };
    assert_eq!(up, Ok(exact));
    assert_eq!(exact.to_string().parse(), Ok(exact));
    assert_eq!(Money::exact(exact.to_decimal()), Ok(exact));
    let (usd, pico) = exact.to_parts();
    assert_eq!(Money::from_parts(usd, pico), Ok(exact));
}

/// An instant reads back from its own text.
pub fn timestamp(data: &[u8]) {
    let Some(instant) = from_utf8(data).ok().and_then(|text| text.parse::<Timestamp>().ok()) else { return };
    assert_eq!(instant.to_string().parse(), Ok(instant));
}

/// A permit's name reads back from its own text, and names its key and its hold.
pub fn permit_id(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(id) = text.parse::<PermitId>() {
        assert_eq!(id.to_string(), text);
        assert_eq!(text.rsplit_once(':'), Some((&*id.key.to_string(), &*id.hold.to_string())));
    }
    if let Ok(hold) = text.parse::<HoldId>() {
        assert_eq!(hold.to_string(), text);
        assert_eq!(HoldId(hold.0).to_string().parse(), Ok(hold));
    }
}

/// A secret's shape is what it is said to be, no form of it prints it, and what is stored of it reads back.
pub fn secret(data: &[u8]) {
    let shape = (8..=512).contains(&data.len()) && data.iter().all(|byte| (0x21..=0x7e).contains(byte));
    assert_eq!(check_shape(data).is_ok(), shape);
    let Ok(text) = from_utf8(data) else { return };
    let imported = Secret::import(text, Prefix::default());
    assert_eq!(imported.is_ok(), shape && data.len() >= 22);
    if let Ok(secret) = imported {
        assert_eq!(secret.reveal(), text);
        for shown in [format!("{secret}"), format!("{secret:?}")] {
            assert!(!shown.contains(text));
        }
        for style in [HintStyle::Ends, HintStyle::Last4, HintStyle::None] {
            let hint = secret.hint(style).map_or(String::new(), |hint| hint.to_string());
            // The start that all secrets have in common, and four characters at each end.
            assert!(hint.chars().filter(|&c| c != '…').count() <= 3 + 8 && !hint.contains(text));
        }
        let hash = Peppers::none().hash(data);
        assert_eq!(hash.digest(), &Digest::of(data));
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }
    if let Ok(hash) = text.parse::<SecretHash>() {
        assert_eq!(hash.to_string(), text);
        assert_eq!(Peppers::none().understands(&hash), hash.kid().is_none());
    }
    if let Ok(prefix) = text.parse::<Prefix>() {
        assert!(prefix.to_string() == text && text.len() <= 16 && text.ends_with('_'));
        assert_eq!(prefix.body_of(&format!("{text}{text}")), Some(text));
    }
    // A checksum tells every change of one character.
    if checksum_holds(text) {
        assert!(text.len() >= 6 && !checksum_holds(&format!("~{text}")));
    }
    assert!(SecretFormat::parse(text).is_none() || text.len() <= 14);
}
