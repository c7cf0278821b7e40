//! Which address a request comes from, when proxies stand in between.

use std::net::IpAddr;

use super::addresses::AddressRules;

/// The client's address, as the host states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientIp<'a> {
    /// The host does not say.
    #[default]
    Unstated,
    /// An address.
    Address(IpAddr),
    /// Text; what cannot be read is refused by a key that lists addresses.
    Text(&'a str),
}

impl ClientIp<'_> {
    /// The address, mapped IPv4 as IPv4; `None` if it is not stated or cannot be read.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Unstated => None,
            Self::Address(address) => Some(address.to_canonical()),
            Self::Text(text) => parse_hop(text).ok(),
        }
    }
}

impl From<IpAddr> for ClientIp<'_> {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl<'a> From<&'a str> for ClientIp<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a, T: Into<ClientIp<'a>>> From<Option<T>> for ClientIp<'a> {
    fn from(address: Option<T>) -> Self {
        address.map_or(Self::Unstated, Into::into)
    }
}

/// A hop that is not an address: the chain behind it cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a forwarding hop is not an IP address")]
pub struct ClientAddressError;

/// Finds the client's address: the nearest hop that is not one of our own proxies.
///
/// `peer` is the socket's other end, `forwarded` the values of the `X-Forwarded-For` headers in the order they
/// came, and `trusted` the proxies whose word counts; none are when it is empty. Read from the right, because all to
/// the left of the first hop that is not ours is what that hop claims. When every hop is ours, it is the leftmost.
///
/// A hop may carry a port (`192.0.2.7:443`), brackets (`[2001:db8::1]:443`) or a zone; they are dropped.
///
/// # Errors
/// A hop that has to be read is not an address.
///
/// # Examples
/// ```
/// use std::net::IpAddr;
/// use enclava_keys::policy::{AddressRules, resolve_client_ip};
///
/// let trusted = AddressRules::new([AddressRules::parse_entry("10.0.0.0/8")?]);
/// let peer: IpAddr = "10.0.0.1".parse()?;
/// let client = resolve_client_ip(peer, ["6.6.6.6, 203.0.113.9, 10.0.0.2"], &trusted)?;
/// assert_eq!(client.to_string(), "203.0.113.9");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn resolve_client_ip<'a>(
    peer: IpAddr,
    forwarded: impl IntoIterator<Item = &'a str, IntoIter: DoubleEndedIterator>,
    trusted: &AddressRules,
) -> Result<IpAddr, ClientAddressError> {
    let mut nearest = peer.to_canonical();
    let hops = forwarded.into_iter().rev().filter(|value| !value.trim().is_empty());
    for hop in hops.flat_map(|value| value.rsplit(',')) {
        if !trusted.contains(nearest) {
            break;
        }
        nearest = parse_hop(hop.trim_matches([' ', '\t']))?;
    }
    Ok(nearest)
}

// `192.0.2.7`, `192.0.2.7:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`, `fe80::1%eth0`.
fn parse_hop(text: &str) -> Result<IpAddr, ClientAddressError> {
    let (bare, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(ClientAddressError)?;
            if !address.contains(':') {
                return Err(ClientAddressError);
            }
            (
                address,
                if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(ClientAddressError)?) },
            )
        }
        // One colon is a port; an IPv6 address has more.
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => (address, Some(port)),
            _ => (text, None),
        },
    };
    if port
        .is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err())
    {
        return Err(ClientAddressError);
    }
    let address = match bare.split_once('%') {
        Some((address, zone)) if address.contains(':') && !zone.is_empty() => address,
        Some(_) => return Err(ClientAddressError),
        None => bare,
    };
    address.parse::<IpAddr>().map(|address| address.to_canonical()).map_err(|_| ClientAddressError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> Result<String, ClientAddressError> {
        let trusted = AddressRules::new(trusted.iter().map(|text| AddressRules::parse_entry(text).unwrap()));
        resolve_client_ip(peer.parse().unwrap(), forwarded.iter().copied(), &trusted).map(|ip| ip.to_string())
    }

    #[test]
    fn without_trusted_proxies_a_header_is_only_a_claim() {
        assert_eq!(client("203.0.113.9", &["10.0.0.1"], &[]).unwrap(), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &["garbage"], &["10.0.0.0/8"]).unwrap(), "203.0.113.9");
    }

    #[test]
    fn the_leftmost_hop_is_what_the_attacker_wrote() {
        let forwarded = ["6.6.6.6, 203.0.113.9", "10.0.0.3, 10.0.0.2"];
        assert_eq!(client("10.0.0.1", &forwarded, &["10.0.0.0/8"]).unwrap(), "203.0.113.9");
    }

    #[test]
    fn a_chain_of_our_own_ends_at_its_start() {
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"], &["10.0.0.0/8"]).unwrap(), "10.0.0.3");
        assert_eq!(client("10.0.0.1", &[], &["10.0.0.0/8"]).unwrap(), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["", " "], &["10.0.0.0/8"]).unwrap(), "10.0.0.1");
    }

    #[test]
    fn garbage_behind_a_trusted_proxy_is_an_error() {
        for hop in [
            "unknown",
            "_hidden",
            "",
            "1.2.3",
            "1.2.3.4:x",
            "[1.2.3.4]",
            "[::1",
            "1.2.3.4:99999",
            "1.2.3.4%1",
        ] {
            let forwarded = format!("203.0.113.9,{hop}");
            assert!(client("10.0.0.1", &[&forwarded], &["10.0.0.1"]).is_err(), "{hop:?}");
        }
    }

    #[test]
    fn ports_brackets_zones_and_mapped_addresses_are_read() {
        for (hop, ip) in [
            ("192.0.2.7:443", "192.0.2.7"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
        ] {
            assert_eq!(client("::ffff:10.0.0.1", &[hop], &["10.0.0.1"]).unwrap(), ip, "{hop}");
        }
    }
}
