//! What a daemon that may take a release does about it: nothing, make it, or hand over to it.
//!
//! Who may take what is decided elsewhere. A release that failed here is left alone until another one is allowed; one that
//! this machine could not make is tried again after a while.

use super::Release;
use crate::time::{Span, Timestamp};

/// How long after this machine could not make a release it is tried again. Shorter builds on a full disk over and over,
/// longer keeps everybody waiting after somebody mended it.
pub const AGAIN: Span = Span::secs(600);

/// What became of a release here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The release.
    pub release: Release,
    /// How it went.
    pub how: How,
    /// When, by this machine's clock.
    pub at: Timestamp,
}

/// How a try went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is there, and can be started.
    Made,
    /// It failed, and always would.
    Failed,
    /// This machine could not make it.
    Unable,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    Stay,
    /// Nothing before then.
    Wait(Timestamp),
    /// See to it that it is there.
    Make(Release),
    /// Hand over to it.
    HandOver(Release),
}

/// What a daemon that runs `running` and may take `allowed` does next; `tried` is what it did last.
#[must_use]
pub fn turn(
    running: &Release,
    allowed: Option<&Release>,
    tried: Option<&Tried>,
    now: Timestamp,
) -> Turn {
    let Some(allowed) = allowed.filter(|allowed| *allowed != running) else {
        return Turn::Stay;
    };
    let tried = tried.filter(|tried| tried.release == *allowed);
    let make = || Turn::Make(allowed.clone());
    tried.map_or_else(make, |tried| match tried.how {
        How::Made => Turn::HandOver(allowed.clone()),
        How::Failed => Turn::Stay,
        How::Unable if now >= tried.at.plus(AGAIN) => make(),
        How::Unable => Turn::Wait(tried.at.plus(AGAIN)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str) -> Release {
        Release::new(version, &"a".repeat(40)).unwrap()
    }

    #[test]
    fn a_release_is_made_before_anybody_hands_over_to_it() {
        let (old, new, now) = (release("1.0.0"), release("1.1.0"), Timestamp::from_secs(1));
        assert_eq!(turn(&old, None, None, now), Turn::Stay);
        assert_eq!(turn(&old, Some(&old), None, now), Turn::Stay);
        let make = Turn::Make(new.clone());
        assert_eq!(turn(&old, Some(&new), None, now), make);
        let tried = |release: &Release, how| Tried {
            release: release.clone(),
            how,
            at: now,
        };
        let made = tried(&new, How::Made);
        let over = Turn::HandOver(new.clone());
        assert_eq!(turn(&old, Some(&new), Some(&made), now), over);
        // The permission was taken back, or is for another one, while it was made.
        assert_eq!(turn(&old, None, Some(&made), now), Turn::Stay);
        let other = tried(&release("1.2.0"), How::Made);
        assert_eq!(turn(&old, Some(&new), Some(&other), now), make);
    }

    #[test]
    fn what_failed_is_left_alone_and_what_could_not_be_made_is_tried_later() {
        let (old, new, at) = (release("1.0.0"), release("1.1.0"), Timestamp::from_secs(1));
        let tried = |how| Tried {
            release: new.clone(),
            how,
            at,
        };
        let (failed, unable) = (tried(How::Failed), tried(How::Unable));
        let later = at.plus(AGAIN);
        let turn = |tried, now| turn(&old, Some(&new), Some(tried), now);
        assert_eq!(turn(&failed, later), Turn::Stay);
        assert_eq!(turn(&unable, at), Turn::Wait(later));
        assert_eq!(turn(&unable, later), Turn::Make(new.clone()));
    }
}
