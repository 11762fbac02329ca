//! One newtype per identity, and the one function that makes a mirror's identity.
//!
//! Identities are GUIDs (RFC 9562). New ones are made outside (`UUIDv7`, time-ordered); here they are
//! only carried, compared, printed and derived.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// How much of an identity is shown where space is short: the 48 bits of time of a `UUIDv7` and the
/// bits right after them, which differ between identities of one millisecond.
const SHORT_CHARS: usize = 18;

macro_rules! guid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a GUID that was checked to be one of these.
            #[must_use]
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The GUID itself.
            #[must_use]
            pub const fn get(self) -> Uuid {
                self.0
            }

            /// The first 18 characters, for logs and plans: a prefix that also tells apart what was
            /// made in one millisecond, and that verbs accept.
            #[must_use]
            pub fn short(self) -> String {
                self.0.hyphenated().to_string()[..SHORT_CHARS].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text.trim()).map(Self)
            }
        }
    };
}

guid_newtype! {
    /// A person's own row in the tasks table: what she filed.
    TaskId
}
guid_newtype! {
    /// The admin-owned copy of a task: the source of truth while it runs.
    MirrorId
}
guid_newtype! {
    /// A row of the workers table.
    WorkerId
}
guid_newtype! {
    /// A person or application: a row of `systemusers`, the value of `_ownerid_value`.
    UserId
}
guid_newtype! {
    /// One start of one worker process.
    BootId
}
guid_newtype! {
    /// A row of the events table.
    EventId
}

/// Which try at a task this is: 1 for the first, never reset, raised only by assign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub u32);

impl Attempt {
    /// The attempt after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A row version as the store printed it (`W/"123"`): opaque, only sent back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Etag(String);

impl Etag {
    /// Wraps the tag exactly as the store sent it.
    #[must_use]
    pub fn new(tag: impl Into<String>) -> Self {
        Self(tag.into())
    }

    /// The tag, ready for an `If-Match` header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The row of the workers table that all orchestrators of an organisation share: its holder assigns, and
/// its owner is who they are.
pub const COURTESY: WorkerId =
    WorkerId::new(Uuid::from_u128(0x5348_5241_4741_8000_8000_0000_0000_0001));

impl WorkerId {
    /// The identity of the worker called `name` of `owner`, where no token gives it another.
    ///
    /// The first 16 bytes of SHA-256 of `"shraga worker"`, the owner's 16 bytes and the name; version
    /// 8, RFC 9562 variant.
    #[must_use]
    pub fn of(owner: UserId, name: &str) -> Self {
        let digest = Sha256::new()
            .chain_update("shraga worker")
            .chain_update(owner.get().as_bytes())
            .chain_update(name)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl MirrorId {
    /// The identity that the mirror of `task` must have.
    ///
    /// Bytes 0 to 5 are the task's own (so keys stay time-ordered), the other ten are taken from
    /// SHA-256 of `"shraga mirror"`, the task's 16 bytes and `counter` as big-endian u32; version 8,
    /// RFC 9562 variant. `counter` is 0 unless somebody else's row already sits at that identity.
    #[must_use]
    pub fn of(task: TaskId, counter: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"shraga mirror");
        hash.update(task.get().as_bytes());
        hash.update(counter.to_be_bytes());
        Self(with_locality(task.get(), &hash.finalize()[..10]))
    }
}

impl EventId {
    /// The identity of event number `sequence` of `stream`, about the task mirrored by `mirror`.
    ///
    /// Six bytes of the mirror's identity, six of SHA-256 of the whole of it and the stream's name
    /// (version 8, RFC 9562 variant), then the sequence as big-endian u32: a replayed event collides
    /// with itself, and never with one of a task that was filed in the same millisecond.
    #[must_use]
    pub fn of(mirror: MirrorId, stream: &str, sequence: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(mirror.get().as_bytes());
        hash.update(stream.as_bytes());
        let digest = hash.finalize();
        let mut tail = [0_u8; 10];
        tail[..6].copy_from_slice(&digest[..6]);
        tail[6..].copy_from_slice(&sequence.to_be_bytes());
        Self(with_locality(mirror.get(), &tail))
    }
}

/// Six bytes of `near`, then ten of `tail`, marked as a version 8 UUID.
fn with_locality(near: Uuid, tail: &[u8]) -> Uuid {
    let mut bytes = *near.as_bytes();
    bytes[6..].copy_from_slice(&tail[..10]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(text: &str) -> TaskId {
        text.parse().unwrap()
    }

    #[test]
    fn a_mirror_id_keeps_the_first_six_bytes_and_depends_on_the_whole_task_id() {
        let a = MirrorId::of(task("0193f0a1-b2c3-7d4e-8f90-112233445566"), 0);
        let b = MirrorId::of(task("0193f0a1-b2c3-7d4e-8f90-112233445567"), 0);
        assert_eq!(a.to_string()[..13], *"0193f0a1-b2c3");
        assert_ne!(a, b);
        assert_eq!(a.get().get_version_num(), 8);
        assert_eq!(
            a,
            MirrorId::of(task("0193f0a1-b2c3-7d4e-8f90-112233445566"), 0)
        );
        assert_ne!(
            a,
            MirrorId::of(task("0193f0a1-b2c3-7d4e-8f90-112233445566"), 1)
        );
    }

    #[test]
    fn events_of_tasks_filed_in_the_same_millisecond_have_different_ids() {
        let of = |text| EventId::of(MirrorId::of(task(text), 0), "orchestrator", 1);
        assert_ne!(
            of("0193f0a1-b2c3-7d4e-8f90-112233445566"),
            of("0193f0a1-b2c3-7d4e-8f90-112233445567")
        );
    }

    #[test]
    fn an_event_id_ends_in_its_sequence() {
        let mirror = MirrorId::of(task("0193f0a1-b2c3-7d4e-8f90-112233445566"), 0);
        let id = EventId::of(mirror, "orchestrator", 7);
        assert!(id.to_string().ends_with("00000007"));
        assert_eq!(id.get().get_version_num(), 8);
    }
}
