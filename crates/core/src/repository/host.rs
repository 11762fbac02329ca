//! The host of a repository's address, and which addresses are nobody else's business.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest host name (RFC 1035).
const LONGEST: usize = 253;

/// Endings of names that only mean something inside a network.
const INNER: [&str; 6] = [
    ".localhost",
    ".local",
    ".internal",
    ".intranet",
    ".lan",
    ".home.arpa",
];

/// A host: a name of letters, digits, `-`, `_` and dots in lower case, or an IP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name to be resolved.
    Name(String),
    /// An address as it stands.
    Ip(IpAddr),
}

impl Host {
    /// Reads a host as it stands in an address; IPv6 in brackets. `None` when it is none, or a number
    /// in a spelling that programs read differently (`0x7f.1`, `2130706433`).
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Ip(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Ip(address.into()));
        }
        let good_char = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let good_label = |label: &str| {
            !label.is_empty() && !label.starts_with('-') && label.chars().all(good_char)
        };
        let numeric = |label: &str| {
            label.starts_with("0x")
                || label.starts_with("0X")
                || label.bytes().all(|b| b.is_ascii_digit())
        };
        let last = text.rsplit('.').next().unwrap_or_default();
        let good = text.len() <= LONGEST && text.split('.').all(good_label) && !numeric(last);
        good.then(|| Self::Name(text.to_ascii_lowercase()))
    }

    /// Whether it is one of a private network, as far as the name itself tells.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match self {
            Self::Ip(address) => is_private(*address),
            Self::Name(name) => {
                !name.contains('.') || INNER.iter().any(|ending| name.ends_with(ending))
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => address.fmt(f),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Whether an address is no public machine's: this machine, its networks, a cloud's metadata service,
/// multicast, and IPv6 forms that lead to such an IPv4 address.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (18..20).contains(&b);
    let protocol = (a, b, c) == (192, 0, 0);
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || shared
        || benchmark
        || protocol
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_private_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // Unspecified, loopback, and IPv4 written as IPv6, mapped or not.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => inner(high, low),
        // NAT64 and 6to4 carry an IPv4 address.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => inner(high, low),
        // Local NAT64, Teredo, documentation.
        [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] | [0x2001, 0xdb8, ..] => true,
        // Unique local, link-local, site-local, multicast.
        [first, ..] => {
            first & 0xfe00 == 0xfc00 || first & 0xff80 == 0xfe80 || first & 0xff00 == 0xff00
        }
    }
}
