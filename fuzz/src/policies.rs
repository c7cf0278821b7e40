//! What a key may do, each rule beside the obvious way to decide the same.
//!
//! Inputs are lines: one that begins with `+` is an entry of the list, with `-` of the deny list, with `<` and `>` of
//! those that replace them; any other line is a request.

use std::net::{IpAddr, SocketAddr};
use std::str::from_utf8;

use enclava_keys::policy::{AddressRules, EndpointRules, ModelPattern, ModelRules, resolve_client_ip};

/// A model passes when the obvious way says so, and a change that lets one through says that it widens.
pub fn models(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let list = |mark| -> Vec<ModelPattern> { entries(text, mark).filter_map(model_pattern).collect() };
    let (allowed, denied, next_allowed, next_denied) = (list('+'), list('-'), list('<'), list('>'));
    let rules = ModelRules::new(allowed.clone(), denied.clone());
    let next = ModelRules::new(next_allowed, next_denied);
    let listed: Vec<&str> = rules.allowed().chain(rules.denied()).collect();
    assert!(allowed.iter().chain(&denied).all(|entry| listed.contains(&entry.as_str())));
    assert!(!rules.is_widened_by(&rules));
    if rules.is_widened_by(&next) {
        assert!(rules.is_restricted());
    }
    for model in requests(text) {
        let matched = |entries: &[ModelPattern]| {
            entries.iter().any(|entry| match entry.as_str().strip_suffix('*') {
                Some(start) => model.len() > start.len() && model.starts_with(start),
                None => entry.as_str() == model,
            })
        };
        let open =
            (allowed.is_empty() || allowed.iter().any(|entry| entry.as_str() == "*")) && denied.is_empty();
        let listed = (allowed.is_empty() || matched(&allowed)) && !matched(&denied);
        // Characters that do not show are told by their Unicode category, which only ASCII has an obvious form of.
        let named =
            !model.is_empty() && model.len() <= 256 && model.bytes().all(|byte| byte.is_ascii_graphic());
        let permitted = rules.permits(model);
        assert!(!permitted || open || listed, "{model:?} passes {rules:?}");
        assert!(permitted || !(open || listed && named), "{model:?} is refused by {rules:?}");
        if next.permits(model) && !permitted {
            assert!(rules.is_widened_by(&next), "{model:?} passes {next:?} and not {rules:?}");
        }
    }
}

fn model_pattern(text: &str) -> Option<ModelPattern> {
    let pattern = ModelPattern::parse(text).ok();
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b",*?[{\\".contains(&byte));
    let sound = (1..=256).contains(&text.len()) && plain(text.strip_suffix('*').unwrap_or(text));
    assert!(pattern.is_some() == sound || !text.is_ascii(), "{text:?}");
    assert!(pattern.iter().all(|pattern| pattern.as_str() == text));
    pattern
}

/// An endpoint passes when the obvious way says so, and no list lets a path through that a router may read in two ways.
pub fn endpoints(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let list = |mark| entries(text, mark).filter(|entry| EndpointRules::new([entry]).is_ok());
    let (Ok(rules), Ok(next)) = (EndpointRules::new(list('+')), EndpointRules::new(list('<'))) else {
        panic!("entries that are sound one by one are not together");
    };
    assert!(list('+').all(|entry| rules.iter().any(|listed| listed == entry)));
    assert!(!rules.is_widened_by(&rules));
    for request in requests(text) {
        let permitted = rules.permits(request);
        let (method, path) = match request.split_once(' ') {
            Some((method, path)) => (Some(method), path),
            None => (None, request),
        };
        let matched = rules.iter().any(|entry| {
            let (only, pattern) = match entry.split_once(' ') {
                Some((only, pattern)) => (Some(only), pattern),
                None => (None, entry),
            };
            let below = pattern
                .strip_suffix('*')
                .is_some_and(|start| path.strip_prefix(start).is_some_and(|rest| !rest.is_empty()));
            (only.is_none() || only == method) && (path == pattern || below)
        });
        if permitted && rules.is_restricted() {
            assert!(matched, "{request:?} passes {rules:?}");
            let odd = ["//", "/./", "/../", "%", "\\", "?", "#", ";", " "];
            assert!(!odd.into_iter().any(|part| path.contains(part)), "{request:?} passes {rules:?}");
            assert!(!path.ends_with("/..") && !path.ends_with("/.") && path.starts_with('/'));
        }
        if !permitted {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
            let simple = path.bytes().all(plain) && !path.contains("//") && path.len() < 256;
            assert!(!(matched && simple && method.is_none()), "{request:?} is refused by {rules:?}");
        }
        if next.permits(request) && !permitted {
            assert!(rules.is_widened_by(&next), "{request:?} passes {next:?} and not {rules:?}");
        }
    }
}

/// An address is inside when its first bits are those of some network, and every entry reads back from its own text.
pub fn addresses(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let list = |mark| entries(text, mark).filter_map(|entry| AddressRules::parse_entry(entry).ok());
    let (rules, next) = (AddressRules::new(list('+')), AddressRules::new(list('<')));
    for entry in rules.entries() {
        let again = AddressRules::new(AddressRules::parse_entry(&entry));
        assert_eq!(again.entries().collect::<Vec<_>>(), [entry]);
    }
    assert!(!rules.is_widened_by(&rules));
    let networks: Vec<(u128, u32)> = entries(text, '+').filter_map(network).collect();
    assert_eq!(networks.is_empty(), !rules.is_restricted());
    for address in requests(text).filter_map(|line| line.parse::<IpAddr>().ok()) {
        let bits = mapped(address);
        let inside =
            networks.iter().any(|&(network, length)| length == 0 || (bits ^ network) >> (128 - length) == 0);
        // Every IPv6 address is no IPv4 one.
        let v4 = bits >> 32 == 0xffff;
        let inside = inside
            && (!v4
                || networks.iter().any(|&(network, length)| {
                    length >= 96 && network >> 32 == 0xffff && (bits ^ network) >> (128 - length) == 0
                }));
        assert_eq!(rules.contains(address), inside, "{address} in {rules:?}");
        if next.contains(address) && rules.is_restricted() && !inside {
            assert!(rules.is_widened_by(&next), "{address} is in {next:?} and not in {rules:?}");
        }
    }
}

// The first bits of an entry as it is written, all addresses being IPv6.
fn network(entry: &str) -> Option<(u128, u32)> {
    AddressRules::parse_entry(entry).ok()?;
    let (address, length) = match entry.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().expect("a length"))),
        None => (entry, None),
    };
    let address: IpAddr = address.parse().expect("an address");
    let length = length.map_or(128, |length| if address.is_ipv4() { 96 + length } else { length });
    Some((mapped(address), length))
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The client is the nearest hop that is not ours. The first line is the peer, a line with `+` is a network of ours, and
/// the others are headers.
pub fn client_ip(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let Some(peer) = text.lines().next().and_then(|line| line.parse::<IpAddr>().ok()) else { return };
    let trusted =
        AddressRules::new(entries(text, '+').filter_map(|entry| AddressRules::parse_entry(entry).ok()));
    let headers: Vec<&str> = requests(text).skip(1).collect();
    let found = resolve_client_ip(peer, headers.iter().copied(), &trusted);

    let hops = headers.iter().filter(|header| !header.trim().is_empty()).flat_map(|header| header.split(','));
    let mut chain: Vec<Option<IpAddr>> = hops.map(|hop| hop_address(hop.trim_matches([' ', '\t']))).collect();
    chain.push(Some(peer.to_canonical()));
    match chain.iter().rfind(|hop| hop.is_none_or(|address| !trusted.contains(address))) {
        Some(Some(address)) => assert_eq!(found, Ok(*address)),
        // Written in a way that is not obvious: an address or an error, and whoever is found was in no header of ours.
        Some(None) => {}
        None => assert_eq!(found.ok(), chain.first().copied().flatten()),
    }
}

fn hop_address(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().or_else(|_| hop.parse::<SocketAddr>().map(|hop| hop.ip()));
    address.ok().map(|address| address.to_canonical())
}

fn entries(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split('\n').filter_map(move |line| line.strip_prefix(mark))
}

fn requests(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|line| !line.starts_with(['+', '-', '<', '>']))
}
