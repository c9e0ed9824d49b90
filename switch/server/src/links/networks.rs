//! Lists of networks: which addresses may be talked to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Networks in one list at most: each new connection looks through all of them.
pub const NETWORKS_MAX: usize = 1_024;

/// A network as `10.0.0.0/8` or `2001:db8::/32`; an address alone is a network of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// The networks of a list. An empty list allows every address.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Networks(pub Vec<Network>);

impl Network {
    /// Whether the address is in it. An IPv4 address that came over IPv6 (`::ffff:10.0.0.1`) is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ours, theirs) = (Bits::of(self.address), Bits::of(address));
        ours.width == theirs.width && ours.front(self.prefix_bits) == theirs.front(self.prefix_bits)
    }
}

impl Networks {
    /// Whether the list is empty, or one of it holds the address.
    pub fn allow(&self, address: IpAddr) -> bool {
        self.0.is_empty() || self.0.iter().any(|network| network.contains(address))
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let form = || format!("`{text}` is not a network, as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32");
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let width = Bits::of(address).width;
        let prefix_bits = prefix.map_or(Ok(width), str::parse).map_err(|_| form())?;
        if prefix_bits > width {
            return Err(form());
        }
        let bits = Bits::of(address);
        if bits.front(prefix_bits) != Some(bits.value) {
            return Err(format!("`{text}` has bits behind its prefix of {prefix_bits}"));
        }
        Ok(Network { address, prefix_bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// What counts as one address: an IPv4 address, or an IPv6 network of 64 bits, which one host has to itself.
pub(super) fn one_host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) >> 64 << 64;
            IpAddr::V6(bits.into())
        }
        address => address,
    }
}

/// An address as a number, and how many bits it has.
struct Bits {
    value: u128,
    width: u8,
}

impl Bits {
    fn of(address: IpAddr) -> Bits {
        match address.to_canonical() {
            IpAddr::V4(address) => Bits { value: u32::from(address).into(), width: 32 },
            IpAddr::V6(address) => Bits { value: address.into(), width: 128 },
        }
    }

    /// The number with nothing behind its first bits; `None` where it has not so many.
    fn front(&self, bits: u8) -> Option<u128> {
        let behind = u32::from(self.width.checked_sub(bits)?);
        // A shift by the whole width is none of the machine's.
        Some(self.value.checked_shr(behind).unwrap_or(0).checked_shl(behind).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_in_networks_or_not() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("10.1.2.0/23", "::ffff:10.1.3.255", "10.1.4.0"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "fe80::1", "127.0.0.1"),
            ("::1/128", "::1", "::2"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        let none = Networks::default();
        assert!(none.allow("203.0.113.9".parse().unwrap()));
        let some = Networks(vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        assert!(some.allow("::1".parse().unwrap()) && !some.allow("203.0.113.9".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "::1/129", "10.0.0/8", "x", "10.0.0.0/-1"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_ipv6_host_has_its_network_of_64_bits() {
        let one = |text: &str| one_host(text.parse().unwrap());
        assert_eq!(one("2001:db8::1"), one("2001:db8::ffff:0:0:2"));
        assert_ne!(one("2001:db8::1"), one("2001:db8:0:1::1"));
        assert_eq!(one("::ffff:10.0.0.1"), one("10.0.0.1"));
        assert_ne!(one("10.0.0.1"), one("10.0.0.2"));
    }
}
