//! From where a key may be used.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// The addresses and networks a key may be used from; an empty list is everywhere.
///
/// An IPv4 address mapped into IPv6 (`::ffff:10.0.0.1`) is the IPv4 address, in the list and in the request, so
/// `::/0` is every IPv6 address and no IPv4 one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AddressRules {
    listed: Vec<IpNet>,
    // INVARIANT: the same addresses as `listed`, sorted, disjoint, with neighbours merged: an address lies in the
    // last network that starts at or before it, or in none.
    merged: Vec<IpNet>,
}

/// Why a text is not an entry of [`AddressRules`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Empty, or nothing but white space.
    #[error("must not be blank")]
    Blank,
    /// Neither an address nor a network.
    #[error("must be an IP address or a network such as 10.0.0.0/8")]
    Syntax,
    /// With a port.
    #[error("must be an address without a port")]
    Port,
    /// With an IPv6 zone, which only means something on one machine.
    #[error("must be an address without a zone")]
    Zone,
    /// A network with bits set behind its prefix.
    #[error("has bits set behind its prefix; did you mean {0}")]
    HostBits(IpNet),
}

impl AddressRules {
    /// The longest list that a key's record may hold.
    pub const MAX_ENTRIES: usize = 1_000;

    /// Everywhere.
    pub const fn any() -> Self {
        Self { listed: Vec::new(), merged: Vec::new() }
    }

    /// The addresses of these networks. Bits behind a prefix are ignored; an entry that repeats an earlier one is
    /// dropped.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        let mut listed: Vec<IpNet> = Vec::new();
        let mut seen = hashbrown::HashSet::new();
        listed.extend(networks.into_iter().map(unmapped).filter(|network| seen.insert(*network)));
        listed.shrink_to_fit();
        let mut merged = IpNet::aggregate(&listed);
        merged.sort_unstable_by_key(IpNet::network);
        merged.shrink_to_fit();
        Self { listed, merged }
    }

    /// Reads one entry of `allowed_ips`: an address or a network, IPv4 or IPv6.
    ///
    /// # Errors
    /// Every [`AddressError`].
    pub fn parse_entry(text: &str) -> Result<IpNet, AddressError> {
        if text.trim().is_empty() {
            return Err(AddressError::Blank);
        }
        if text.contains('%') {
            return Err(AddressError::Zone);
        }
        if text.parse::<std::net::SocketAddr>().is_ok() {
            return Err(AddressError::Port);
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| AddressError::Syntax)?;
        let Some(prefix) = prefix else { return Ok(unmapped(address.into())) };
        let plain =
            prefix == "0" || !prefix.starts_with('0') && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let bits = if plain { prefix.parse().ok() } else { None };
        let network = bits.and_then(|bits| IpNet::new(address, bits).ok()).ok_or(AddressError::Syntax)?;
        if network.trunc() != network {
            return Err(AddressError::HostBits(network.trunc()));
        }
        Ok(unmapped(network))
    }

    /// Whether some address, or a request without one, is refused.
    pub fn is_restricted(&self) -> bool {
        !self.listed.is_empty()
    }

    /// Whether `address` is listed. Of an empty list, no: "everywhere" is what the *lack* of a list means to a key.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let after = self.merged.partition_point(|network| network.network() <= address);
        let nearest = after.checked_sub(1).and_then(|position| self.merged.get(position));
        nearest.is_some_and(|network| network.contains(&address))
    }

    /// The entries in the order given, an address alone where a network is just that.
    pub fn entries(&self) -> impl Iterator<Item = String> {
        self.listed.iter().map(entry_text)
    }

    /// Whether a request that these rules refuse could pass under `new`.
    pub fn is_widened_by(&self, new: &Self) -> bool {
        // Merged neighbours make this exact: a network inside a union lies inside one network of it.
        let covered = |network: &IpNet| self.merged.iter().any(|mine| mine.contains(network));
        self.is_restricted() && (!new.is_restricted() || !new.merged.iter().all(covered))
    }
}

impl fmt::Debug for AddressRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.listed).finish()
    }
}

fn entry_text(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

fn unmapped(network: IpNet) -> IpNet {
    let network = network.trunc();
    let mapped = match network {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    mapped.and_then(|(address, bits)| Ipv4Net::new(address, bits).ok()).map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(entries: &[&str]) -> AddressRules {
        AddressRules::new(entries.iter().map(|text| AddressRules::parse_entry(text).unwrap()))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_and_addresses_contain_what_they_say() {
        let rules = rules(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"]);
        for inside in ["10.255.0.1", "192.0.2.7", "2001:db8:1::2", "::1", "::ffff:10.1.2.3"] {
            assert!(rules.contains(ip(inside)), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::2", "::ffff:11.1.2.3"] {
            assert!(!rules.contains(ip(outside)), "{outside}");
        }
        assert!(AddressRules::any() == self::rules(&[]) && !self::rules(&[]).contains(ip("::1")));
    }

    #[test]
    fn a_mapped_network_is_the_ipv4_network() {
        assert!(rules(&["::ffff:10.0.0.0/104"]).contains(ip("10.9.9.9")));
        assert!(rules(&["::ffff:0:0/96"]).contains(ip("203.0.113.9")));
        assert!(!rules(&["::/0"]).contains(ip("203.0.113.9")));
        assert!(rules(&["0.0.0.0/0"]).contains(ip("::ffff:203.0.113.9")));
    }

    #[test]
    fn entries_that_mean_something_else_are_refused() {
        let error = |text| AddressRules::parse_entry(text).unwrap_err();
        assert_eq!(
            error("10.0.0.1/8").to_string(),
            "has bits set behind its prefix; did you mean 10.0.0.0/8"
        );
        assert_eq!(error("  "), AddressError::Blank);
        assert_eq!(error("fe80::1%eth0"), AddressError::Zone);
        for text in ["10.0.0.1:443", "[::1]:443"] {
            assert_eq!(error(text), AddressError::Port, "{text}");
        }
        for text in [
            "10.0.0",
            "010.0.0.1",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "::/129",
            "localhost",
            "10.0.0.0/255.0.0.0",
            " 10.0.0.1",
            "10.0.0.1,10.0.0.2",
            "*",
            "[::1]",
        ] {
            assert_eq!(error(text), AddressError::Syntax, "{text}");
        }
    }

    #[test]
    fn what_widens() {
        for (old, new, widens) in [
            (&["10.0.0.0/8"][..], &["10.1.0.0/16"][..], false),
            (&["10.1.0.0/16"], &["10.0.0.0/8"], true),
            (&["10.0.0.0/9", "10.128.0.0/9"], &["10.0.0.0/8"], false),
            (&["10.0.0.0/8"], &["::/0"], true),
            (&["10.0.0.0/8"], &[], true),
            (&[], &["10.0.0.0/8"], false),
            (&["::ffff:10.0.0.0/104"], &["10.0.0.0/8"], false),
        ] {
            assert_eq!(rules(old).is_widened_by(&rules(new)), widens, "{old:?} -> {new:?}");
        }
    }

    // Networks over the sixteen addresses 0.0.0.0 to 0.0.0.15, so that every one of them can be tried.
    fn small() -> impl Strategy<Value = Vec<IpNet>> {
        let network = (0_u32..16, 28_u8..=32)
            .prop_map(|(bits, prefix)| IpNet::V4(Ipv4Net::new(bits.into(), prefix).unwrap()));
        proptest::collection::vec(network, 0..6)
    }

    proptest! {
        #[test]
        fn containing_and_widening_agree_with_trying_every_address(old in small(), new in small()) {
            let (before, after) = (AddressRules::new(old.clone()), AddressRules::new(new.clone()));
            let all = (0_u32..16).map(|bits| IpAddr::V4(bits.into()));
            for address in all.clone() {
                prop_assert_eq!(before.contains(address), old.iter().any(|network| network.contains(&address)));
            }
            let passes = |rules: &AddressRules, address| !rules.is_restricted() || rules.contains(address);
            let some = all.clone().any(|address| passes(&after, address) && !passes(&before, address));
            prop_assert_eq!(before.is_widened_by(&after), some || before.is_restricted() && !after.is_restricted());
        }

        #[test]
        fn entries_read_back(bits in any::<u128>(), prefix in 0_u8..=128) {
            let network = unmapped(IpNet::new(IpAddr::V6(bits.into()), prefix).unwrap());
            prop_assert_eq!(AddressRules::parse_entry(&entry_text(&network)), Ok(network));
        }

        #[test]
        fn a_text_that_is_read_is_written_as_one_that_reads_the_same(
            text in "[0-9a-f:./%\\[\\] ]{0,24}|[0-9]{1,3}(\\.[0-9]{1,2}){3}(/[0-9]{1,2})?|::[0-9a-f]{1,4}(/1[0-9]{2})?",
        ) {
            if let Ok(network) = AddressRules::parse_entry(&text) {
                prop_assert_eq!(AddressRules::parse_entry(&entry_text(&network)), Ok(network));
                prop_assert!(AddressRules::new([network]).contains(network.addr()));
            }
        }
    }
}
