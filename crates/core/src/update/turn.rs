//! What a daemon that may take a release does about it: nothing, make it, or hand over to it.
//!
//! Who may take what is decided elsewhere. A release that failed here is left alone until another one is allowed; one that
//! this machine could not make is tried again after a while.

use super::keep::Memory;
use super::{Failed, Release};
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

/// What a daemon does about its installation's link once the release that it runs is open to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// Turns it to what it runs.
    Turn,
    /// Nothing yet: its keeper does not know it as healthy.
    Wait,
    /// Nothing, ever: the link leads there, or somebody decided otherwise.
    Leave,
}

/// How an installation is looked at for that.
#[derive(Clone, Debug)]
pub struct Installed<'a> {
    /// Where the link leads.
    pub current: Option<&'a Release>,
    /// What is remembered as failed, or gone back from.
    pub failed: &'a [Failed],
    /// What the daemon's keeper remembers.
    pub memory: &'a Memory,
}

/// What a daemon that runs `running`, which is open to all, does about the link. `newer`: its version is newer than the
/// one the link leads to.
///
/// A link that leads elsewhere than when `running` proved itself was turned by somebody, who is not overruled.
#[must_use]
pub fn settle(running: &Release, installed: &Installed<'_>, newer: bool) -> Settle {
    let there = installed.current == Some(running);
    let failed = installed.failed.iter().any(|it| it.release == *running);
    let memory = installed.memory;
    if there || failed || !newer {
        return Settle::Leave;
    }
    if memory.proven.as_ref() != Some(running) {
        return Settle::Wait;
    }
    match memory.link.as_ref() == installed.current {
        true => Settle::Turn,
        false => Settle::Leave,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::Record;

    #[test]
    fn the_link_is_turned_to_what_is_healthy_and_open_and_never_against_somebodys_word() {
        let (old, new, now) = (release("1.0.0"), release("1.1.0"), Timestamp::from_secs(1));
        let proven = |link: &Release| Memory {
            proven: Some(new.clone()),
            link: Some(link.clone()),
            trial: None,
        };
        let known = proven(&old);
        let on_trial = Memory {
            proven: Some(old.clone()),
            ..known.clone()
        };
        let mut record = Record::default();
        record.went_back(&new, now);
        let none: &[Failed] = &[];
        let (older, newest) = (release("0.9.0"), release("1.2.0"));
        let ask = |current, failed, memory, newer| {
            let installed = Installed {
                current: Some(current),
                failed,
                memory,
            };
            settle(&new, &installed, newer)
        };
        assert_eq!(ask(&old, none, &known, true), Settle::Turn);
        assert_eq!(ask(&old, none, &on_trial, true), Settle::Wait);
        assert_eq!(ask(&new, none, &known, false), Settle::Leave, "it is done");
        // Somebody went back from it, chose another one by name, or took a newer one.
        assert_eq!(ask(&old, &record.failed, &known, true), Settle::Leave);
        assert_eq!(ask(&older, none, &known, true), Settle::Leave);
        assert_eq!(ask(&newest, none, &known, false), Settle::Leave);
        let there = proven(&newest);
        assert_eq!(ask(&newest, none, &there, false), Settle::Leave);
    }

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
