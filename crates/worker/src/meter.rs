//! Keeps a budget while an agent runs: core decides, this feeds it and does what it says.
//!
//! A [`Meter`] is made for each phase. It hears what the agent uses through its [`Gauge`] (agents whose
//! output tells) or from a file the agent writes (`SHRAGA_USAGE_FILE`), warns the agent from 80% on
//! through another file (`SHRAGA_BUDGET_FILE`), and asks the attempt to end at a limit. An agent that
//! has boundaries of its own is told to end at the next one first. What was used before, in earlier
//! attempts and phases, counts; nothing begins a meter anew.
//!
//! Fail closed: [`Meter::refuses`] ends an attempt before its agent runs when a limit is set on what
//! the agent doesn't tell.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use shraga_core::budget::{Budget, Limit, Verdict};
use shraga_core::ids::MirrorId;
use shraga_core::ledger::{Ledger, ceiling};
use shraga_core::price::Prices;
use shraga_core::reason::Reason;
use shraga_core::time::Span;
use shraga_core::usage::{Spent, Usage};
use tokio::sync::{mpsc, watch};

use crate::agents::{PhaseEnd, Sign};
use crate::attempt::{Interrupt, Interruption, News};
use crate::clock::{self, Mark};

mod files;
#[cfg(test)]
mod tests;

pub(crate) use files::{Files, NOTICE_FILE};

/// How often the usage file is looked at, and time is. Rarer, and more is spent unseen; more often
/// would only cost processor time, since a turn of a model takes seconds.
const LOOK: Duration = Duration::from_millis(500);

/// How long an agent that is handed notices between its tool calls may take to the next such moment.
/// Longer, and a long answer is paid for; shorter, and an edit is cut off in its middle.
const BOUNDARY: Duration = Duration::from_secs(10);

/// What an agent tells of its usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tells {
    /// Nothing that is known: a budget of money, tokens or turns can't be kept.
    #[default]
    Nothing,
    /// It costs nothing, uses no tokens and takes no turns.
    Free,
    /// It writes `SHRAGA_USAGE_FILE`.
    File,
    /// Its output tells.
    Output,
}

/// How an agent is metered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metering {
    /// What it may use at most for one task, whatever the task says.
    pub budget: Budget,
    /// What it tells.
    pub tells: Tells,
    /// Whether it is handed notices between its tool calls, and ends at one that says so.
    pub takes_notices: bool,
    /// The model to price what it uses by, where it doesn't say itself.
    pub model: Option<String>,
    /// What models cost.
    pub prices: Arc<Prices>,
}

/// What an attempt may use, in totals of its task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    /// The most.
    pub(crate) ceiling: Budget,
    /// What earlier attempts used.
    pub(crate) before: Spent,
    /// How its agent is metered.
    pub(crate) metering: Metering,
}

impl Allowed {
    /// What a task's budget, its reservation and its agent leave.
    pub(crate) fn of(budget: Budget, ledger: &Ledger, metering: &Metering) -> Self {
        Self {
            ceiling: ceiling(budget.tighter(metering.budget), ledger),
            before: ledger.spent,
            metering: metering.clone(),
        }
    }
}

/// What the agents of a phase have used so far, at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reading {
    /// What programs before the present one used.
    earlier: Option<Usage>,
    /// What the present one shows.
    sign: Sign,
}

impl Reading {
    fn usage(&self) -> Option<Usage> {
        match (self.earlier, self.sign.usage) {
            (Some(earlier), Some(now)) => Some(earlier.plus(now)),
            (earlier, now) => earlier.or(now),
        }
    }
}

/// Where an agent's output is told to the meter.
#[derive(Clone, Debug)]
pub(crate) struct Gauge(Arc<watch::Sender<Reading>>);

impl Default for Gauge {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Reading::default())))
    }
}

impl Gauge {
    /// Tells what a program shows, as long as it runs.
    pub(crate) async fn follow(&self, mut signs: watch::Receiver<Sign>) -> Infallible {
        while signs.changed().await.is_ok() {
            let sign = signs.borrow_and_update().clone();
            self.0.send_modify(|reading| reading.sign = sign);
        }
        std::future::pending().await
    }

    /// Another program goes on; this much was used before it.
    pub(crate) fn carry(&self, usage: Usage) {
        self.0.send_modify(|reading| {
            reading.earlier = Some(usage);
            reading.sign.usage = None;
        });
    }
}

/// One phase's meter.
pub(crate) struct Meter {
    mirror: MirrorId,
    ceiling: Budget,
    /// What was used before this phase.
    before: Spent,
    metering: Metering,
    files: Files,
    gauge: Gauge,
    began: Mark,
    warned: Option<Limit>,
    /// What the usage file said last.
    told: Option<files::Told>,
    /// What this attempt used in phases before this one.
    phases: Spent,
    /// What it has used up to now, where its agent tells.
    dial: watch::Sender<Option<Spent>>,
}

/// Whether to go on looking.
enum Look {
    GoOn,
    End(Interruption, String),
}

impl Meter {
    /// The meter of a phase of `mirror`'s task; `phases` is what this attempt used so far.
    pub(crate) fn new(mirror: MirrorId, allowed: &Allowed, phases: Spent, files: Files) -> Self {
        Self {
            mirror,
            ceiling: allowed.ceiling,
            before: allowed.before.plus(phases),
            metering: allowed.metering.clone(),
            files,
            gauge: Gauge::default(),
            began: Mark::now(),
            warned: None,
            told: None,
            phases,
            dial: watch::Sender::new(None),
        }
    }

    /// What the attempt has used up to now; nothing while its agent has told nothing.
    pub(crate) fn dial(&self) -> watch::Receiver<Option<Spent>> {
        self.dial.subscribe()
    }

    /// Where the agent's output is to be told.
    pub(crate) fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }

    /// What the agent's environment says of it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.files.environment(!self.ceiling.is_none())
    }

    /// What is left for this phase.
    pub(crate) fn left(&self) -> Budget {
        self.ceiling.left(&self.before)
    }

    /// Why the phase must not begin.
    pub(crate) fn refuses(&self) -> Option<(Reason, String)> {
        if let Verdict::Stop(limit) = self.ceiling.judge(&self.before, &Spent::NONE, 0) {
            return Some((limit.reason(), self.said(limit, &Spent::NONE, 0)));
        }
        let reason = self.unmetered()?;
        let model = match (&self.metering.model, self.metering.tells) {
            (_, Tells::Nothing) => "it does not tell what it uses".to_owned(),
            (Some(model), _) => format!("its model is `{model}`"),
            (None, _) => "its `model` is not configured".to_owned(),
        };
        Some((
            reason,
            format!("not started: {}; {model}", reason.message()),
        ))
    }

    /// Why a limit of the budget can't be kept with this agent.
    fn unmetered(&self) -> Option<Reason> {
        let ceiling = &self.ceiling;
        let counts = ceiling.tokens.is_some() || ceiling.turns.is_some();
        match self.metering.tells {
            Tells::Free => None,
            Tells::Nothing if ceiling.cost_micros.is_some() => Some(Reason::PriceUnknown),
            Tells::Nothing => counts.then_some(Reason::UsageUnknown),
            // It may tell its cost itself, or its model; if neither, it is ended when it tells.
            Tells::File => None,
            Tells::Output => {
                let model = self.metering.model.as_deref();
                let priced = model.and_then(|model| self.metering.prices.of(model));
                let limited = ceiling.cost_micros.is_some();
                (limited && priced.is_none()).then_some(Reason::PriceUnknown)
            }
        }
    }

    /// Waits for a phase while keeping the budget; what it used is known at its end.
    pub(crate) async fn attend(
        mut self,
        running: impl Future<Output = PhaseEnd>,
        interrupt: &Interrupt,
        news: &mpsc::Sender<News>,
    ) -> PhaseEnd {
        tokio::pin!(running);
        let mut readings = self.gauge.0.subscribe();
        let mut ends: Option<(Mark, Interruption, String)> = None;
        let mut end = loop {
            tokio::select! {
                end = &mut running => break end,
                () = clock::after(LOOK) => {}
                Ok(()) = readings.changed() => {}
            }
            let reading = readings.borrow_and_update().clone();
            if ends.is_none()
                && let Look::End(why, said) = self.look(&reading, news).await
            {
                ends = Some((Mark::now(), why, said));
            }
            if let Some((since, why, _)) = &ends
                && self.may_interrupt(*why, *since)
            {
                interrupt.ask(*why);
            }
        };
        self.settle(&mut end);
        if let Some((_, why, said)) = ends {
            self.judge(&mut end, why, said);
        }
        end
    }

    /// One look: what is used is compared with the budget.
    async fn look(&mut self, reading: &Reading, news: &mpsc::Sender<News>) -> Look {
        self.told = self.files.told().or(self.told.take());
        let live = self.live(reading);
        if live.usage != Usage::UNKNOWN {
            self.dial.send_replace(Some(self.phases.plus(live)));
        }
        let verdict = self.ceiling.judge(&self.before, &live, reading.sign.bytes);
        self.files.show(&self.ceiling, &self.before, &live, verdict);
        match verdict {
            Verdict::Go => Look::GoOn,
            Verdict::Warn(limit, percent) => {
                if self.warned != Some(limit) {
                    self.warned = Some(limit);
                    let line = format!(
                        "[{percent}% of the budget: {}]",
                        self.of(limit, &live, reading.sign.bytes)
                    );
                    let _ = news.send(News::Lines(self.mirror, vec![line])).await;
                }
                Look::GoOn
            }
            Verdict::Stop(limit) => {
                let said = self.said(limit, &live, reading.sign.bytes);
                Look::End(Interruption::Budget(limit), said)
            }
            // Nothing told yet is nothing used yet.
            Verdict::Unpriced if live.usage.tokens() == 0 => Look::GoOn,
            Verdict::Unpriced => {
                let said = Reason::PriceUnknown.message().to_owned();
                Look::End(Interruption::Unpriced, said)
            }
        }
    }

    /// Whether an agent that is over a limit has had its time: all of it, where it takes no notices.
    fn may_interrupt(&self, why: Interruption, since: Mark) -> bool {
        let costs = matches!(
            why,
            Interruption::Budget(Limit::Cost | Limit::Tokens | Limit::Turns)
        );
        !(costs && self.metering.takes_notices) || since.elapsed() >= BOUNDARY
    }

    /// What this phase has used so far.
    fn live(&self, reading: &Reading) -> Spent {
        let usage = self.usage(reading.usage(), reading.sign.model.as_deref());
        Spent {
            usage,
            ran: Span::millis(millis(self.began.elapsed())),
        }
    }

    /// What was used, as far as it is told, with its price.
    fn usage(&self, heard: Option<Usage>, model: Option<&str>) -> Usage {
        let (usage, model) = match (self.metering.tells, heard, &self.told) {
            (Tells::Free, ..) => return Usage::NONE,
            (_, _, Some(told)) => (told.usage, told.model.as_deref().or(model)),
            (_, Some(heard), None) => (heard, model),
            (_, None, None) => (Usage::UNKNOWN, model),
        };
        match model.or(self.metering.model.as_deref()) {
            Some(model) => self.metering.prices.priced(usage, model),
            None => usage,
        }
    }

    /// Enters what the phase used, where its kind did not know it.
    fn settle(&mut self, end: &mut PhaseEnd) {
        self.told = self.files.told().or(self.told.take());
        if end.ran.is_zero() {
            return;
        }
        let heard = (end.usage != Usage::UNKNOWN).then_some(end.usage);
        let model = self.gauge.0.borrow().sign.model.clone();
        end.usage = self.usage(heard, model.as_deref());
    }

    /// What the phase came to when the budget ended it: partial work is kept, and said to be.
    fn judge(&self, end: &mut PhaseEnd, why: Interruption, said: String) {
        use crate::agents::PhaseOutcome;
        let by_itself = matches!(end.outcome, PhaseOutcome::Completed) && !self.files.ended_it();
        // What was done in time counts; what another reason ended stays as it is.
        let other = matches!(end.outcome, PhaseOutcome::Interrupted(other) if other != why);
        if by_itself || other {
            return;
        }
        end.outcome = PhaseOutcome::Interrupted(why);
        end.message = said;
    }

    fn of(&self, limit: Limit, live: &Spent, bytes: u64) -> String {
        let all = self.before.plus(*live);
        let used = limit.used(&all, bytes).unwrap_or_default();
        let most = self.ceiling.of(limit).unwrap_or_default();
        format!("{} of {}", limit.amount(used), limit.amount(most))
    }

    fn said(&self, limit: Limit, live: &Spent, bytes: u64) -> String {
        let of = self.of(limit, live, bytes);
        format!("ended: {} ({of})", limit.reason().message())
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
