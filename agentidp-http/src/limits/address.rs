//! Whose address it is, for counting.

use std::net::{IpAddr, Ipv6Addr};

/// The network that one customer of a provider has: an IPv4 address, or the /64 of an IPv6 address,
/// of which everybody has 2^64 (RFC 6177).
pub(crate) fn home_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_an_ipv4_address_or_a_network_of_ipv6() {
        let home = |text: &str| home_of(text.parse().unwrap()).to_string();
        assert_eq!(home("192.0.2.1"), "192.0.2.1");
        assert_eq!(home("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(home("2001:db8:0:1:2:3:4:5"), "2001:db8:0:1::");
        assert_eq!(home("::1"), "::1");
    }
}
