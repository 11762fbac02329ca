//! The address of a repository: `https://`, `ssh://`, `user@host:path`, or an absolute local path.

use std::fmt;
use std::str::FromStr;

use super::host::Host;

/// The longest address. Longer ones are no repository's, and would fill logs.
const LONGEST_BYTES: usize = 1_000;

/// How git gets there; also the one protocol it is allowed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over https.
    Https,
    /// Over ssh.
    Ssh,
    /// A folder of this machine.
    Local,
}

impl Way {
    /// Its name in `GIT_ALLOW_PROTOCOL`.
    #[must_use]
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Ssh => "ssh",
            Self::Local => "file",
        }
    }
}

/// The address of a repository, in a spelling that git takes for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: String,
    way: Way,
    remote: Option<(Host, u16)>,
}

/// Why a text is no address of a repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It is empty, too long, or holds blanks, control characters or the like.
    #[error("is no address: empty, too long, or with characters that an address can't have")]
    Characters,
    /// It would be taken for an option.
    #[error("starts with `-`, which git would take for an option")]
    Option,
    /// Another way than the three.
    #[error(
        "is reached in a way that isn't allowed: only https://, ssh:// and configured local paths are"
    )]
    Scheme,
    /// It carries a name or a password.
    #[error("carries a user name or a password; credentials come from git's own credential helper")]
    Credentials,
    /// The host is none.
    #[error("has no good host name")]
    Host,
    /// The path is empty or leads elsewhere.
    #[error(
        "has no good path: it is empty, or holds `..`, a query or an encoded control character"
    )]
    Path,
}

impl Address {
    /// How git gets there.
    #[must_use]
    pub const fn way(&self) -> Way {
        self.way
    }

    /// The host and port git connects to; `None` for a local path.
    #[must_use]
    pub fn remote(&self) -> Option<(&Host, u16)> {
        self.remote.as_ref().map(|(host, port)| (host, *port))
    }

    /// The operand for git.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim();
        if text.is_empty() || text.len() > LONGEST_BYTES || text.contains(char::is_control) {
            return Err(BadAddress::Characters);
        }
        if text.starts_with('-') {
            return Err(BadAddress::Option);
        }
        if is_local(text) {
            return local(text);
        }
        // Beyond a local path, everything must be plain ASCII, as in any URL.
        if text
            .bytes()
            .any(|b| !b.is_ascii_graphic() || b"\"'`<>\\^{|}$".contains(&b))
        {
            return Err(BadAddress::Characters);
        }
        match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => https(rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ssh") => ssh(rest),
            Some(_) => Err(BadAddress::Scheme),
            None => scp(text),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether it is an absolute path, of either kind of system.
fn is_local(text: &str) -> bool {
    let drive =
        |b: &[u8]| b[0].is_ascii_alphabetic() && b[1] == b':' && matches!(b[2], b'\\' | b'/');
    text.starts_with('/') || text.as_bytes().get(..3).is_some_and(drive)
}

fn local(text: &str) -> Result<Address, BadAddress> {
    let shared = text.starts_with("//") || text.starts_with("\\\\");
    let steps = text.split(['/', '\\']).any(|part| part == "..");
    if shared || steps || text.len() < 2 {
        return Err(BadAddress::Path);
    }
    Ok(Address {
        text: text.to_owned(),
        way: Way::Local,
        remote: None,
    })
}

fn https(rest: &str) -> Result<Address, BadAddress> {
    let (authority, path) = rest.split_once('/').ok_or(BadAddress::Path)?;
    if authority.contains('@') {
        return Err(BadAddress::Credentials);
    }
    let (host, port) = host_and_port(authority)?;
    let path = checked_path(path)?;
    let shown = port.map_or_else(String::new, |port| format!(":{port}"));
    Ok(Address {
        text: format!("https://{host}{shown}/{path}"),
        way: Way::Https,
        remote: Some((host, port.unwrap_or(443))),
    })
}

fn ssh(rest: &str) -> Result<Address, BadAddress> {
    let (authority, path) = rest.split_once('/').ok_or(BadAddress::Path)?;
    let (user, place) = user_and_place(authority)?;
    let (host, port) = host_and_port(place)?;
    let path = checked_path(path)?;
    let shown = port.map_or_else(String::new, |port| format!(":{port}"));
    Ok(Address {
        text: format!("ssh://{user}{host}{shown}/{path}"),
        way: Way::Ssh,
        remote: Some((host, port.unwrap_or(22))),
    })
}

/// `user@host:path`, as ssh's own tools write it.
fn scp(text: &str) -> Result<Address, BadAddress> {
    let bracket = text.find(']').map_or(0, |at| at + 1);
    let colon = text[bracket..].find(':').ok_or(BadAddress::Scheme)? + bracket;
    let (place, path) = (&text[..colon], &text[colon + 1..]);
    // A slash before the colon is a path; two colons name a helper program.
    if place.contains('/') || path.starts_with(':') {
        return Err(BadAddress::Scheme);
    }
    let (user, host) = user_and_place(place)?;
    let host = Host::read(host).ok_or(BadAddress::Host)?;
    let absolute = if path.starts_with('/') { "/" } else { "" };
    let path = checked_path(path.trim_start_matches('/'))?;
    Ok(Address {
        text: format!("{user}{host}:{absolute}{path}"),
        way: Way::Ssh,
        remote: Some((host, 22)),
    })
}

/// The user with its `@`, or nothing, and what is left.
fn user_and_place(authority: &str) -> Result<(String, &str), BadAddress> {
    let Some((user, place)) = authority.rsplit_once('@') else {
        return Ok((String::new(), authority));
    };
    let good_char = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if user.is_empty() || user.starts_with('-') || !user.chars().all(good_char) {
        return Err(BadAddress::Credentials);
    }
    Ok((format!("{user}@"), place))
}

fn host_and_port(place: &str) -> Result<(Host, Option<u16>), BadAddress> {
    let bracket = place.find(']').map_or(0, |at| at + 1);
    let (host, port) = match place[bracket..].find(':') {
        None => (place, None),
        Some(at) => {
            let (host, port) = (&place[..bracket + at], &place[bracket + at + 1..]);
            let digits = port.bytes().all(|b| b.is_ascii_digit());
            let port: u16 = port.parse().map_err(|_| BadAddress::Host)?;
            if !digits || port == 0 {
                return Err(BadAddress::Host);
            }
            (host, Some(port))
        }
    };
    Ok((Host::read(host).ok_or(BadAddress::Host)?, port))
}

/// A path below a host: something, nothing that leads upwards, no query, nothing encoded that ends a
/// line in git's talk with a credential helper.
fn checked_path(path: &str) -> Result<&str, BadAddress> {
    let path = path.trim_end_matches('/');
    let encoded_control = path.match_indices('%').any(|(at, _)| {
        let code = path.get(at + 1..at + 3);
        code.and_then(|code| u8::from_str_radix(code, 16).ok())
            .is_none_or(|byte| byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b'.'))
    });
    let bad = path.is_empty()
        || path.starts_with('-')
        || path.contains(['?', '#', '*', '['])
        || path.split('/').any(|part| part == ".." || part == ".")
        || encoded_control;
    match bad {
        true => Err(BadAddress::Path),
        false => Ok(path),
    }
}
