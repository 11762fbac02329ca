//! The fleet: which release workers may take, who tries it first, and whether anything is handed out at all.
//!
//! The fleet's own row says what is rolled out; only admins write it. A worker's row says which release it may take
//! (`cr_allowedrelease`, the orchestrator's), which it runs (`cr_release`) and what came of its last try
//! (`cr_updatestate`, both the worker's). What follows from them is [`crate::plan::fleet`]'s to decide. Nothing here
//! compares versions, reads JSON or knows a clock.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::ids::WorkerId;
use crate::json::Object;
use crate::limits;
use crate::time::Timestamp;
use crate::update::{NoRelease, Release};

/// Refused releases that are remembered. The branch moves on; only its newest is ever asked about.
pub const MAX_REFUSED: usize = 20;

/// How much of what somebody said of a release or a pause is kept, in UTF-16 units: a line for people, not a log.
pub const SAID_UNITS: usize = 500;

/// The identity of the fleet's row: 128 bits that no computed identity has.
#[must_use]
pub const fn row_id() -> WorkerId {
    WorkerId::new(Uuid::from_u128(0x5348_5241_4741_8000_8000_0000_0000_0020))
}

/// What is known of the fleet as a whole: `cr_updatestate` of its row, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Who wants that nobody takes anything, while somebody does.
    pub pause: Option<Pause>,
    /// What is rolled out, or was last.
    pub rollout: Option<Rollout>,
    /// What is never begun again, the latest last; [`MAX_REFUSED`] at most.
    pub refused: Vec<Refused>,
}

/// An admin's wish that nobody takes a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Who wants it, as people know her.
    pub by: String,
    /// Store time of the wish.
    pub at: Timestamp,
    /// Why, in a line.
    pub why: Option<String>,
}

/// A release on its way to all workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// The release.
    pub release: Release,
    /// Store time of its beginning.
    pub since: Timestamp,
    /// How far it is.
    pub stage: Stage,
    /// The first worker that it did not do well with: another one is asked before it is refused.
    pub doubt: Option<Doubt>,
}

/// What one worker's try says against a release. Its machine may be at fault, or its word be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The worker.
    pub worker: WorkerId,
    /// What was wrong, with the worker's name, in a line.
    pub said: String,
}

/// How far a release is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// One worker tries it.
    Canary(Canary),
    /// Everybody may take it, since this store time.
    Open(Timestamp),
}

/// The one worker that takes a release before others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The worker.
    pub worker: WorkerId,
    /// Its name, for people.
    pub name: String,
    /// Store time at which it was last allowed to take the release.
    pub allowed: Timestamp,
    /// Store time since which it has been seen running it, ready for work.
    pub well: Option<Timestamp>,
}

/// A release that is not begun again, until the branch brings another commit or an admin lifts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The release.
    pub release: Release,
    /// Why.
    pub why: Why,
    /// What was said, in one line.
    pub said: String,
    /// Store time.
    pub at: Timestamp,
}

/// Why a release is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Two workers failed with it or fell silent, or the only one that could try it.
    Failed,
    /// The branch brought another commit of the same version meanwhile, as an orchestrator saw it.
    Replaced,
}

/// A worker's part in updates, as its row says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The version of its program, whoever started it.
    pub version: Option<String>,
    /// The release it runs; `None` when it doesn't run from an installation, or its program is too old to say.
    pub release: Option<Release>,
    /// The release it may take.
    pub allowed: Option<Release>,
    /// Whether the fleet has opened that release to all.
    pub open: bool,
    /// What it says of its updates.
    pub said: Said,
}

/// What a worker may take: `cr_allowedrelease`, as `RELEASE`, or `RELEASE open` once the fleet has opened it to all.
///
/// Until it is open it is taken for that worker's process alone. Only a worker that runs the release already is told that
/// it is open, so that what a worker reads before it takes one is the bare release, whatever version it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The release.
    pub release: Release,
    /// Whether what others in its installation start may become this release too.
    pub open: bool,
}

/// What follows a release that is open.
const OPEN: &str = " open";

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.open { OPEN } else { "" };
        write!(f, "{}{open}", self.release)
    }
}

impl FromStr for Allowed {
    type Err = NoRelease;

    fn from_str(text: &str) -> Result<Self, NoRelease> {
        let bare = text.strip_suffix(OPEN);
        Ok(Self {
            release: bare.unwrap_or(text).parse()?,
            open: bare.is_some(),
        })
    }
}

impl Member {
    /// What it may take, as its row says it.
    #[must_use]
    pub fn permission(&self) -> Option<Allowed> {
        self.allowed.clone().map(|release| Allowed {
            release,
            open: self.open,
        })
    }

    /// The release it was allowed to take and does not run.
    #[must_use]
    pub fn outstanding(&self) -> Option<&Release> {
        let taken = |allowed: &&Release| self.release.as_ref() == Some(*allowed);
        self.allowed.as_ref().filter(|allowed| !taken(allowed))
    }

    /// What it runs, as people read it.
    #[must_use]
    pub fn runs(&self) -> Option<String> {
        let release = self.release.as_ref().map(ToString::to_string);
        release.or_else(|| self.version.clone())
    }
}

/// What a worker says of its updates: `cr_updatestate`, as `WORD`, `WORD RELEASE` or `WORD RELEASE: WHY`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Said {
    /// It takes none by itself: it doesn't run from an installation, isn't to, or its program is too old to know.
    #[default]
    Off,
    /// It takes what it is allowed to.
    On,
    /// It makes this release.
    Making(Release),
    /// It has this release and can't take it yet.
    Waiting(Release, String),
    /// It can't have this release at all, through no fault of the release: its checkout doesn't bring it, say.
    Unable(Release, String),
    /// It tried this release, which failed.
    Failed(Release, String),
    /// Something that this version doesn't understand.
    Other(String),
}

impl Said {
    /// The release it is about.
    #[must_use]
    pub const fn release(&self) -> Option<&Release> {
        match self {
            Self::Off | Self::On | Self::Other(_) => None,
            Self::Making(release)
            | Self::Waiting(release, _)
            | Self::Unable(release, _)
            | Self::Failed(release, _) => Some(release),
        }
    }

    /// Whether it takes what it is allowed to.
    #[must_use]
    pub fn takes(&self) -> bool {
        *self != Self::Off
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, release, why) = match self {
            Self::Off => return f.write_str("off"),
            Self::On => return f.write_str("on"),
            Self::Other(text) => return f.write_str(text),
            Self::Making(release) => return write!(f, "making {release}"),
            Self::Waiting(release, why) => ("waiting", release, why),
            Self::Unable(release, why) => ("unable", release, why),
            Self::Failed(release, why) => ("failed", release, why),
        };
        write!(f, "{word} {release}: {}", limits::line(why, SAID_UNITS))
    }
}

impl FromStr for Said {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (head, why) = text.split_once(": ").unwrap_or((text, ""));
        let (word, release) = head.split_once(' ').unwrap_or((head, ""));
        let why = || why.to_owned();
        let told = match (word, release.parse::<Release>()) {
            ("" | "off", Err(_)) if text.len() == word.len() => Some(Self::Off),
            ("on", Err(_)) if text.len() == word.len() => Some(Self::On),
            ("making", Ok(release)) => Some(Self::Making(release)),
            ("waiting", Ok(release)) => Some(Self::Waiting(release, why())),
            ("unable", Ok(release)) => Some(Self::Unable(release, why())),
            ("failed", Ok(release)) => Some(Self::Failed(release, why())),
            (_, Ok(_) | Err(_)) => None,
        };
        Ok(told.unwrap_or_else(|| Self::Other(limits::line(text, SAID_UNITS))))
    }
}

impl Fleet {
    /// Why `release` is not begun again, if it isn't.
    #[must_use]
    pub fn refuses(&self, release: &Release) -> Option<&Refused> {
        self.refused.iter().rfind(|it| it.release == *release)
    }

    /// Lets `release` be begun again, whatever was said against it.
    pub fn lift(&mut self, release: &Release) {
        self.refused.retain(|it| it.release != *release);
    }

    /// The canary of what is rolled out, while there is one.
    #[must_use]
    pub fn canary(&self) -> Option<&Canary> {
        match &self.rollout.as_ref()?.stage {
            Stage::Canary(canary) => Some(canary),
            Stage::Open(_) => None,
        }
    }

    /// As the column holds it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut object = Object::new();
        if let Some(pause) = &self.pause {
            let why = pause.why.as_ref();
            let pause = Object::new()
                .text("by", limits::line(&pause.by, SAID_UNITS))
                .time("at", pause.at)
                .known("why", why.map(|why| limits::line(why, SAID_UNITS)));
            object = object.object("pause", pause);
        }
        if let Some(rollout) = &self.rollout {
            object = object.object("rollout", rollout.to_object());
        }
        let refused = self.refused.iter().map(|refused| {
            Object::new()
                .text("release", &refused.release)
                .text("why", refused.why)
                .text("said", limits::line(&refused.said, SAID_UNITS))
                .time("at", refused.at)
        });
        object.objects("refused", refused).finish()
    }
}

impl Rollout {
    fn to_object(&self) -> Object {
        let mut object = Object::new()
            .text("release", &self.release)
            .time("since", self.since);
        if let Some(doubt) = &self.doubt {
            let doubt = Object::new()
                .text("by", doubt.worker)
                .text("said", limits::line(&doubt.said, SAID_UNITS));
            object = object.object("doubt", doubt);
        }
        match &self.stage {
            Stage::Open(at) => object.time("open", *at),
            Stage::Canary(canary) => {
                let canary = Object::new()
                    .text("worker", canary.worker)
                    .text("name", &canary.name)
                    .time("allowed", canary.allowed)
                    .known("well", canary.well);
                object.object("canary", canary)
            }
        }
    }
}

impl Why {
    /// The word for the row and for scripts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Replaced => "replaced",
        }
    }

    /// The reason that a word stands for.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Failed, Self::Replaced]
            .into_iter()
            .find(|why| why.as_str() == word)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str) -> Release {
        Release::new(version, "0123456789abcdef").unwrap()
    }

    #[test]
    fn what_a_worker_says_is_read_as_it_was_written() {
        let r = release("1.2.0-rc.1");
        let said = [
            Said::Off,
            Said::On,
            Said::Making(r.clone()),
            Said::Waiting(r.clone(), "2 agents: run on".to_owned()),
            Said::Unable(r.clone(), "the branch has something else".to_owned()),
            Said::Failed(r, "exit code 1".to_owned()),
            Said::Other("resting until noon".to_owned()),
        ];
        for said in said {
            assert_eq!(said.to_string().parse(), Ok(said));
        }
    }

    #[test]
    fn what_a_worker_never_wrote_is_no_failure_of_a_release() {
        assert_eq!("".parse(), Ok(Said::Off));
        for text in [
            "failed",
            "failed of hunger",
            "failed 1.0.0: no commit",
            "off 1",
            "on: x",
        ] {
            let said: Result<Said, _> = text.parse();
            assert!(matches!(said, Ok(Said::Other(_))), "{text}");
        }
        assert!(Said::Other(String::new()).takes() && !Said::Off.takes());
    }

    #[test]
    fn a_permission_is_read_as_it_was_written_and_the_bare_release_is_on_trial() {
        for open in [false, true] {
            let allowed = Allowed {
                release: release("1.2.0"),
                open,
            };
            assert_eq!(allowed.to_string().parse(), Ok(allowed));
        }
        // What an older program writes and reads.
        let bare = release("1.2.0").to_string();
        assert!(!bare.parse::<Allowed>().unwrap().open);
        for nonsense in ["", " open", "open", "1.2.0-0123456789ab opened"] {
            assert!(nonsense.parse::<Allowed>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn only_what_is_not_taken_yet_is_outstanding() {
        let mut member = Member {
            allowed: Some(release("2.0.0")),
            version: Some("1.0.0".to_owned()),
            ..Member::default()
        };
        assert_eq!(member.outstanding(), Some(&release("2.0.0")));
        assert_eq!(member.runs().as_deref(), Some("1.0.0"));
        member.release = Some(release("2.0.0"));
        assert_eq!(member.outstanding(), None);
        assert_eq!(member.runs().unwrap(), "2.0.0-0123456789ab");
    }
}
