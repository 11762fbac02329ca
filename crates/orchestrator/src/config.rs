//! What the binary hands in: names, periods and policy. Nothing here is read from files or the
//! environment.

use std::time::Duration;

use shraga_core::ids::{BootId, UserId, WorkerId};
use shraga_core::plan::Policy;
use shraga_core::plan::fleet::FleetPolicy;
use shraga_core::time::Span;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::machines;

/// Periods between two looks that still count as one watch over workers: a look may be slow, or fail
/// to begin in time. More would count a pause of ours as their silence.
const WATCHED_PERIODS: u32 = 3;

/// The least of it: a request may take 30 s, and be asked twice.
const LEAST_GAP: Duration = Duration::from_secs(60);

/// How often a link that failed for a passing reason is tried, and how long apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTries {
    /// Tries in all. Fewer leave more links to the repair of a later tick, more hold up this one.
    pub tries: u32,
    /// Between two tries.
    pub delay: Duration,
}

impl Default for LinkTries {
    fn default() -> Self {
        Self {
            tries: 3,
            delay: Duration::from_secs(1),
        }
    }
}

/// How the orchestrator behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name in the courtesy lease and in logs; two orchestrators should differ.
    pub name: String,
    /// Its identity in the courtesy lease; a new one when `None`. Whoever is certain to be the only
    /// one of its kind (it holds a lock) may keep one, and so needn't outwait its own lease after a
    /// crash.
    pub boot: Option<BootId>,
    /// The admin's identity according to the state file of the original; verified against `WhoAmI`,
    /// which always wins. `None` when there is no state file.
    pub admin_user: Option<UserId>,
    /// Workers known only from the original's state file: no capacity, no heartbeat, no time-outs.
    /// May change while it runs.
    pub legacy_workers: watch::Receiver<Vec<WorkerId>>,
    /// What the operator decided about tasks and workers.
    pub policy: Policy,
    /// How often and when the link to a new mirror is tried, where it can't be made together with it.
    pub link: LinkTries,
    /// Between two ticks while tasks are open, on a store that doesn't wake us. Longer costs
    /// latency, shorter costs requests of the service's budget (240 ticks in a quiet hour).
    pub period_open: Duration,
    /// Between two ticks while no task is open.
    pub period_idle: Duration,
    /// Between two full passes over all open rows, which find what change tracking missed.
    pub full_pass: Duration,
    /// How long is believed what a Dataverse store lacks. Longer hides that somebody added what was
    /// missing, shorter costs a request each time.
    pub probe: Duration,
    /// Who makes machines, beside the ticks, and the policy.
    pub machines: machines::Settings,
    /// How newer versions are noticed, beside the ticks; `None`: they are not.
    pub update: Option<shraga_update::Settings>,
    /// Ends it between two ticks, for another process that takes its place at once: what is under way at providers of
    /// machines is awaited, and their machines are left alone.
    pub hand_over: CancellationToken,
    /// How they are rolled out, beside the ticks; `None`: they are only noticed.
    pub fleet: Option<FleetPolicy>,
    /// How long a tick that is applying may go on after the token was cancelled.
    pub drain: Duration,
    /// How long a run until idle may take.
    pub once_deadline: Duration,
}

impl Config {
    /// The documented defaults, under `name`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            boot: None,
            admin_user: None,
            legacy_workers: watch::Sender::new(Vec::new()).subscribe(),
            policy: Policy::default(),
            link: LinkTries::default(),
            period_open: Duration::from_secs(10),
            period_idle: Duration::from_secs(15),
            full_pass: Duration::from_secs(600),
            probe: Duration::from_secs(3600),
            machines: machines::Settings::default(),
            update: None,
            hand_over: CancellationToken::new(),
            fleet: None,
            drain: Duration::from_secs(10),
            once_deadline: Duration::from_secs(600),
        }
    }

    /// The longest time between two looks at the store that still count as one watch over it: some
    /// ticks, and a slow answer.
    pub(crate) fn longest_gap(&self) -> Span {
        let period = self.period_open.max(self.period_idle);
        let gap = (period * WATCHED_PERIODS).max(LEAST_GAP);
        Span::millis(i64::try_from(gap.as_millis()).unwrap_or(i64::MAX))
    }
}
