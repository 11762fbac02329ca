//! Adding what a store's tables lack: look, plan, carry out, look again, until all of it is usable.
//!
//! Every round starts from what is there, so a crash, a lost reply or a second `apply` at the same
//! time only makes the next round shorter. What is refused as existing is looked for; what the
//! service can't do now is tried again in the next round. Nothing is ever dropped, renamed or
//! narrowed.

use std::time::{Duration, Instant};

use shraga_dataverse::{Client, Error};
use shraga_wire::fault::codes;
use shraga_wire::schema::Wanted;
use shraga_wire::schema::compare::{Finding, Step, Trouble, plan};
use tokio_util::sync::CancellationToken;

use super::check::{Findings, check_for};
use crate::clock;

/// The longest wait between two looks. New columns take seconds to be served, locks of other
/// people's changes minutes.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// What to do, and how to go about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tables that are wanted.
    pub wanted: Vec<Wanted>,
    /// Unique name of the solution that what is new becomes a part of.
    pub solution: Option<String>,
    /// Total time, waiting included.
    pub limit: Duration,
    /// The wait before the second look; it doubles with each.
    pub first_wait: Duration,
}

/// What happens, while it does.
#[derive(Clone, Debug)]
pub enum Said<'a> {
    /// A step is about to be taken: the first, and how many there are in this round.
    Taking(&'a Step, usize, usize),
    /// Something can't be done now and is tried again.
    Later(&'a Error),
    /// Something is there and not usable yet.
    Waiting(&'a Finding),
}

/// How it ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Nothing is left that can be added or waited for.
    Done(Findings),
    /// The service refuses a step for good.
    Refused(Box<Step>, Box<Error>),
    /// The time was over: what is not usable yet, and what stood in the way last.
    Late(Findings, Option<Box<Error>>),
}

/// Adds what is missing and waits until it is usable.
///
/// # Errors
/// Any [`Error`] of looking that won't pass.
pub async fn apply(
    client: &Client,
    options: &Options,
    say: &mut (dyn FnMut(Said<'_>) + Send),
) -> Result<Ended, Error> {
    let mut work = Work {
        client,
        options,
        began: clock::instant(),
        rounds: 0,
        refused: Vec::new(),
        trouble: None,
        last: Findings::default(),
    };
    loop {
        if let Some(ended) = work.round(say).await? {
            return Ok(ended);
        }
        if !work.wait().await {
            return Ok(Ended::Late(work.last, work.trouble.map(Box::new)));
        }
    }
}

struct Work<'a> {
    client: &'a Client,
    options: &'a Options,
    began: Instant,
    rounds: u32,
    /// What was refused in the round before, and is looked for in this one.
    refused: Vec<(Step, Error)>,
    /// What stood in the way last.
    trouble: Option<Error>,
    last: Findings,
}

impl Work<'_> {
    /// One look and what follows from it; `None` when another is needed.
    async fn round(
        &mut self,
        say: &mut (dyn FnMut(Said<'_>) + Send),
    ) -> Result<Option<Ended>, Error> {
        self.rounds += 1;
        let found = match check_for(self.client, &self.options.wanted).await {
            Ok(found) => found,
            Err(error) if error.is_transient() => {
                say(Said::Later(&error));
                self.trouble = Some(error);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.last = found;
        let steps = self.steps();
        let still = |(step, error): &(Step, Error)| steps.contains(step) && !exists(error);
        if let Some(at) = self.refused.iter().position(still) {
            let (step, error) = self.refused.swap_remove(at);
            return Ok(Some(Ended::Refused(Box::new(step), Box::new(error))));
        }
        self.refused.clear();
        if !steps.is_empty() {
            return Ok(self.take(steps, say).await);
        }
        match self.last.all.iter().find(|it| will_pass(it)) {
            Some(finding) => {
                say(Said::Waiting(finding));
                Ok(None)
            }
            None => Ok(Some(Ended::Done(std::mem::take(&mut self.last)))),
        }
    }

    /// What is to be done. A key that fails again after it was built anew has rows that share its
    /// values: trying once more would change nothing.
    fn steps(&self) -> Vec<Step> {
        let mut steps = plan(&self.last.all);
        if self.rounds > 1 {
            steps.retain(|step| !matches!(step, Step::RebuildKey { .. }));
        }
        steps
    }

    async fn take(
        &mut self,
        steps: Vec<Step>,
        say: &mut (dyn FnMut(Said<'_>) + Send),
    ) -> Option<Ended> {
        let count = steps.len();
        let mut changed: Vec<String> = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            say(Said::Taking(&step, at + 1, count));
            let solution = self.options.solution.as_deref();
            match self.client.define(&step, solution).await {
                Ok(()) => {
                    let table = step.table().logical;
                    if !changed.contains(&table) {
                        changed.push(table);
                    }
                }
                Err(error) if passes(&error) => {
                    say(Said::Later(&error));
                    self.trouble = Some(error);
                    break;
                }
                Err(error @ (Error::Refused(_) | Error::Missing(_))) => {
                    self.refused.push((step, error));
                }
                Err(error) => return Some(Ended::Refused(Box::new(step), Box::new(error))),
            }
            if self.left().is_zero() {
                break;
            }
        }
        if !changed.is_empty()
            && let Err(error) = self.client.publish(&changed).await
        {
            // Definitions are served unpublished, too; only forms and apps wait for it.
            tracing::warn!(error = %error, "what was added could not be published");
        }
        None
    }

    fn left(&self) -> Duration {
        let gone = clock::instant().duration_since(self.began);
        self.options.limit.saturating_sub(gone)
    }

    /// Waits before the next look; `false` when there is no time left for one.
    async fn wait(&self) -> bool {
        let doubled = self.rounds.saturating_sub(1).min(16);
        let wait = self.options.first_wait.saturating_mul(1 << doubled);
        let wait = wait.min(LONGEST_WAIT).min(self.left());
        !self.left().is_zero() && clock::pause(wait, &CancellationToken::new()).await
    }
}

/// Whether it will be usable without anybody doing anything.
const fn will_pass(finding: &Finding) -> bool {
    matches!(
        finding.trouble,
        Trouble::NotServed | Trouble::KeyBuilding { .. }
    )
}

/// Whether the same change may succeed later, or may have been made already.
fn passes(error: &Error) -> bool {
    let locked = error
        .fault()
        .is_some_and(|it| it.code == codes::CUSTOMIZATION_LOCKED);
    locked || error.is_transient() || error.is_unknown()
}

/// Whether a refusal says that it is there already.
fn exists(error: &Error) -> bool {
    error.fault().is_some_and(|it| {
        [
            codes::DUPLICATE_ATTRIBUTE_SCHEMA_NAME,
            codes::ENTITY_KEY_NAME_EXISTS,
            codes::ENTITY_KEY_COLUMNS_EXIST,
        ]
        .contains(&it.code)
    })
}
