//! Addresses as bounds count them: one machine of IPv4, one house of IPv6, and how many connections each has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use mutant::Mutant;

/// Connections of one network at once; one more is closed at once. A quarter of all, so that no address takes them from the others.
pub const CONNECTIONS_OF_ONE_MAX: usize = 64;

/// What a bound is kept for: the address itself, and of IPv6 the first 64 bits, since whoever has one of its addresses has 2^64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Network(IpAddr);

impl Network {
    pub(crate) fn of(address: IpAddr) -> Network {
        Network(match address.to_canonical() {
            IpAddr::V6(address) if !mutant::is(Mutant::HouseOfManyAddresses) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            whole => whole,
        })
    }
}

/// Connections that are open, by network. No more networks than connections.
#[derive(Clone, Default)]
pub(crate) struct Crowd(Arc<Mutex<HashMap<Network, usize>>>);

/// One connection's place; given back when it is dropped.
pub(crate) struct InCrowd {
    crowd: Crowd,
    network: Network,
}

impl Crowd {
    /// A place for one connection more, unless its network has as many as it may.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<InCrowd> {
        let network = Network::of(address);
        let mut counts = self.0.lock().expect("nobody panics while counting");
        let count = counts.entry(network).or_default();
        if *count >= CONNECTIONS_OF_ONE_MAX && !mutant::is(Mutant::BrowserTakesAll) {
            return None;
        }
        *count += 1;
        Some(InCrowd { crowd: self.clone(), network })
    }
}

impl Drop for InCrowd {
    fn drop(&mut self) {
        let mut counts = self.crowd.0.lock().expect("nobody panics while counting");
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_house_of_ipv6_is_one_network_and_an_ipv4_address_is_one_however_it_is_written() {
        let network = |text: &str| Network::of(text.parse().unwrap());
        for (one, other, same) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
        ] {
            assert_eq!(network(one) == network(other), same, "{one} {other}");
        }
    }

    #[test]
    fn a_network_has_its_places_and_gets_them_back() {
        let crowd = Crowd::default();
        let house = |last: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, last));
        let mut inside: Vec<InCrowd> =
            (0..CONNECTIONS_OF_ONE_MAX as u16).map(|last| crowd.enter(house(last)).unwrap()).collect();
        assert!(crowd.enter(house(9_999)).is_none());
        assert!(crowd.enter("10.0.0.1".parse().unwrap()).is_some(), "others are not in its way");
        inside.pop();
        assert!(crowd.enter(house(9_999)).is_some());
        drop(inside);
        assert!(crowd.0.lock().unwrap().is_empty());
    }
}
