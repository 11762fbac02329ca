//! Which repositories a worker may be sent to, beyond public hosts.

use core::net::IpAddr;
use std::fmt;
use std::str::FromStr;

use super::address::{Address, Way};
use super::host::{Host, is_private};

/// A place that the owner of a worker allows: a local folder with all below it, or a private host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An absolute path.
    Folder(String),
    /// A host of a private network, by the name or address that tasks use.
    Host(Host),
}

/// It is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither an absolute path nor a host")]
pub struct BadPlace;

impl FromStr for Place {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        match text.parse::<Address>() {
            Ok(address) if address.way() == Way::Local => Ok(Self::Folder(text.to_owned())),
            Ok(_) => Err(BadPlace),
            Err(_) => Host::read(text).map(Self::Host).ok_or(BadPlace),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => f.write_str(path),
            Self::Host(host) => host.fmt(f),
        }
    }
}

/// Why a repository is not for this worker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// A local path outside of the allowed folders.
    #[error("is a local path that this worker doesn't allow (`worker.repositories`)")]
    Folder,
    /// A host of a private network.
    #[error("is on a private network, which this worker doesn't allow (`worker.repositories`)")]
    Private,
}

/// All places a worker allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Vec<Place>);

impl Allowed {
    /// These.
    #[must_use]
    pub const fn new(places: Vec<Place>) -> Self {
        Self(places)
    }

    /// The folders among them: whoever can look at the disk compares what a local path really is.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|place| match place {
            Place::Folder(path) => Some(path.as_str()),
            Place::Host(_) => None,
        })
    }

    /// Whether private addresses behind `host` are allowed.
    #[must_use]
    pub fn trusts(&self, host: &Host) -> bool {
        self.0
            .iter()
            .any(|place| matches!(place, Place::Host(known) if known == host))
    }

    /// What the address itself tells; what its name resolves to is asked of [`Self::resolved`].
    ///
    /// # Errors
    /// When it is not for this worker.
    pub fn check(&self, address: &Address) -> Result<(), NotAllowed> {
        match address.remote() {
            None if self.folders().next().is_none() => Err(NotAllowed::Folder),
            None => Ok(()),
            Some((host, _)) if host.is_private() && !self.trusts(host) => Err(NotAllowed::Private),
            Some(_) => Ok(()),
        }
    }

    /// Whether a host that resolves to `addresses` may be connected to.
    ///
    /// # Errors
    /// When one of them is private.
    pub fn resolved(&self, host: &Host, addresses: &[IpAddr]) -> Result<(), NotAllowed> {
        let private = addresses.iter().any(|address| is_private(*address));
        match private && !self.trusts(host) {
            true => Err(NotAllowed::Private),
            false => Ok(()),
        }
    }
}
