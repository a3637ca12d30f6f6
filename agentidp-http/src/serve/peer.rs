//! Who is on the other side of a request, and whether the way there is protected.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header};

use super::options::{ProxyField, ServeOptions, is_loopback};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Most hops that are looked at, from ours on.
const HOPS_MAX: usize = 16;

/// The client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its address: where limits are counted, and what the log tells.
    pub(crate) address: IpAddr,
    /// How its request came to us or to the proxy that we trust.
    pub(crate) way: Way,
}

/// How a request travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By https.
    Https,
    /// By plain http, which never left the machine.
    Loopback,
    /// By plain http through a network.
    Exposed,
}

impl Peer {
    /// The client of a request with these fields that came from `socket`.
    pub(crate) fn of(
        socket: IpAddr,
        tls: bool,
        headers: &HeaderMap,
        options: &ServeOptions,
    ) -> Peer {
        let socket = socket.to_canonical();
        let direct = match (tls, is_loopback(socket)) {
            (true, _) => Way::Https,
            (false, true) => Way::Loopback,
            (false, false) => Way::Exposed,
        };
        if !options.trusts(socket) {
            return Peer { address: socket, way: direct };
        }
        let said = match options.proxy_field {
            ProxyField::XForwarded => x_forwarded(headers),
            ProxyField::Forwarded => forwarded(headers),
        };
        let way = match said.https {
            Some(true) => Way::Https,
            Some(false) => Way::Exposed,
            // A proxy that speaks for nobody asks for itself, as for `/readyz`.
            None if said.hops.is_empty() => Way::Loopback,
            // The operator told us that it terminates TLS.
            None => Way::Https,
        };
        Peer { address: client(socket, &said.hops, options), way }
    }
}

/// What a proxy says, the nearest hop first.
#[derive(Default)]
struct Said {
    /// `None` for a hop whose address cannot be read.
    hops: Vec<Option<IpAddr>>,
    /// Of the nearest hop.
    https: Option<bool>,
}

/// The nearest hop that is none of our proxies. Whatever lies beyond, anybody may have written.
fn client(socket: IpAddr, hops: &[Option<IpAddr>], options: &ServeOptions) -> IpAddr {
    let mut client = socket;
    for hop in hops {
        match hop {
            Some(address) => client = *address,
            None => return client,
        }
        if !options.trusts(client) {
            return client;
        }
    }
    client
}

/// The elements of a list in all lines of a field, the last first (RFC 9110 section 5.3).
fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Vec<&'h str> {
    let lines: Vec<&str> =
        headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?")).collect();
    lines.iter().rev().flat_map(|line| line.rsplit(',')).take(HOPS_MAX).map(str::trim).collect()
}

fn x_forwarded(headers: &HeaderMap) -> Said {
    let hops = elements(headers, &X_FORWARDED_FOR).into_iter().map(address).collect();
    let https = elements(headers, &X_FORWARDED_PROTO);
    Said { hops, https: https.first().map(|scheme| scheme.eq_ignore_ascii_case("https")) }
}

/// `for` and `proto` of each element (RFC 7239 section 4).
fn forwarded(headers: &HeaderMap) -> Said {
    let mut said = Said::default();
    for (number, element) in elements(headers, &header::FORWARDED).into_iter().enumerate() {
        let mut hop = None;
        for pair in element.split(';') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("for") => hop = address(value),
                name if name.eq_ignore_ascii_case("proto") && number == 0 => {
                    said.https = Some(value.eq_ignore_ascii_case("https"));
                }
                _ => {}
            }
        }
        said.hops.push(hop);
    }
    said
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.parse::<IpAddr>().ok();
    let bracketed = || text.strip_prefix('[')?.split_once(']')?.0.parse().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip());
    bare.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn options(field: ProxyField) -> ServeOptions {
        let mut options = ServeOptions::new("127.0.0.1:80".parse().unwrap());
        options.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        options.proxy_field = field;
        options
    }

    fn peer(field: ProxyField, socket: &str, lines: &[(&str, &str)]) -> (String, Way) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let peer = Peer::of(socket.parse().unwrap(), false, &headers, &options(field));
        (peer.address.to_string(), peer.way)
    }

    #[test]
    fn strangers_speak_for_nobody() {
        let lines = [
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=192.0.2.7;proto=https"),
        ];
        for field in [ProxyField::XForwarded, ProxyField::Forwarded] {
            let exposed = ("203.0.113.1".to_owned(), Way::Exposed);
            assert_eq!(peer(field, "203.0.113.1", &lines), exposed);
            assert_eq!(peer(field, "127.0.0.1", &lines), ("127.0.0.1".to_owned(), Way::Loopback));
        }
    }

    #[test]
    fn the_nearest_hop_that_is_no_proxy_of_ours_counts() {
        let said =
            |value| peer(ProxyField::XForwarded, "10.0.0.1", &[("x-forwarded-for", value)]).0;
        assert_eq!(said("192.0.2.7"), "192.0.2.7");
        // What stands to the left of a stranger, that stranger wrote.
        assert_eq!(said("198.51.100.9, 192.0.2.7"), "192.0.2.7");
        assert_eq!(said("198.51.100.9, 192.0.2.7, 10.3.0.1"), "192.0.2.7");
        assert_eq!(said("192.0.2.7, nonsense, 10.3.0.1"), "10.3.0.1");
        assert_eq!(said("10.9.9.9"), "10.9.9.9");
        assert_eq!(said("192.0.2.7:4711"), "192.0.2.7");
        assert_eq!(said("[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(said("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(said(""), "10.0.0.1");
        let lines = [("x-forwarded-for", "192.0.2.8"), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(peer(ProxyField::XForwarded, "10.0.0.1", &lines).0, "192.0.2.7");
    }

    #[test]
    fn only_the_field_that_the_proxy_writes_is_read() {
        let lines = [("forwarded", "for=192.0.2.66;proto=https"), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(peer(ProxyField::XForwarded, "10.0.0.1", &lines).0, "192.0.2.7");
        let lines = [
            ("x-forwarded-for", "192.0.2.66"),
            ("forwarded", "for=192.0.2.9, For=\"[2001:db8::7]:80\"; Proto=HTTPS;by=x"),
        ];
        let (address, way) = peer(ProxyField::Forwarded, "10.0.0.1", &lines);
        assert_eq!((address.as_str(), way), ("2001:db8::7", Way::Https));
        let hidden = [("forwarded", "for=_hidden;proto=https")];
        assert_eq!(peer(ProxyField::Forwarded, "10.0.0.1", &hidden).0, "10.0.0.1");
    }

    #[test]
    fn a_proxy_that_was_spoken_to_in_the_open_is_not_protected() {
        let way = |lines: &[_]| peer(ProxyField::XForwarded, "10.0.0.1", lines).1;
        let of = ("x-forwarded-for", "192.0.2.7");
        assert_eq!(way(&[of, ("x-forwarded-proto", "http")]), Way::Exposed);
        assert_eq!(way(&[of, ("x-forwarded-proto", "https, http")]), Way::Exposed);
        assert_eq!(way(&[of, ("x-forwarded-proto", "https")]), Way::Https);
        assert_eq!(way(&[of]), Way::Https);
        assert_eq!(way(&[]), Way::Loopback);
    }
}
