//! Networks, as operators write them: `10.0.0.0/8`, `fd00::/8`, `192.0.2.1`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that share their first bits, one bit at least (RFC 4632).
///
/// ```
/// use agentidp_http::Network;
/// let network: Network = "fd00::/8".parse()?;
/// assert!(network.contains("fd12::1".parse()?));
/// assert!("fd12::1/8".parse::<Network>().is_err(), "bits beyond the first eight");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address lies in it. An IPv4 address that is written as IPv6 is an IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix);
                first.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix);
                first.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let expected = || format!("`{text}` is no network such as 10.0.0.0/8 or fd00::/8");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| expected())?;
        let bits: u8 = if first.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            // `+8` and `08` are numbers to Rust, and mistakes here.
            Some(digits) if digits.starts_with(['0', '+']) && digits != "0" => {
                return Err(expected());
            }
            Some(digits) => digits.parse().map_err(|_| expected())?,
            None => bits,
        };
        if prefix > bits {
            return Err(expected());
        }
        let network = Network { first, prefix };
        if first != first.to_canonical() {
            return Err(format!("`{text}` is an IPv4 network: write it as one"));
        }
        if !network.begins_at(first) {
            return Err(format!("`{text}` has bits set beyond its first {prefix}"));
        }
        // Whoever is in a network of ours is believed. Who is in this one, anybody may be.
        if prefix == 0 {
            return Err(format!("`{text}` is everybody: name the addresses that are meant"));
        }
        Ok(network)
    }
}

impl Network {
    fn begins_at(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => {
                address.to_bits().checked_shl(u32::from(self.prefix)).unwrap_or(0) == 0
            }
            IpAddr::V6(address) => {
                address.to_bits().checked_shl(u32::from(self.prefix)).unwrap_or(0) == 0
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_the_addresses_that_share_its_bits() {
        for (inside, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.0/31", "192.0.2.1", true),
            ("128.0.0.0/1", "203.0.113.9", true),
            ("128.0.0.0/1", "127.0.0.1", false),
            ("128.0.0.0/1", "8000::1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/1", "2001:db8::1", true),
            ("::/1", "fd00::1", false),
            ("::1", "::1", true),
        ] {
            let found = network(inside).contains(address.parse().unwrap());
            assert_eq!(found, expected, "{address} in {inside}");
        }
        assert_eq!(network("10.0.0.0/8").to_string(), "10.0.0.0/8");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0/8",
            "::1/0",
            "::/129",
            "::ffff:10.0.0.0/104",
            "localhost",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn everybody_is_no_network() {
        for text in ["0.0.0.0/0", "::/0"] {
            let reason = text.parse::<Network>().unwrap_err();
            assert!(reason.starts_with(&format!("`{text}` is everybody")), "{reason}");
        }
    }
}
