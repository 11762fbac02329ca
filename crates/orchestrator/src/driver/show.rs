//! What a tick shows of itself: its status, and what is said of trouble, once each.

use std::time::Duration;

use shraga_dataverse::Error;

use super::Orchestrator;
use crate::clock::Moment;
use crate::memory::Memory;
use crate::status::LastResult;
use crate::tell;
use crate::tick::TickReport;
use crate::trouble;
use crate::wiring::Wanted;

impl Orchestrator {
    pub(super) fn show(&mut self, wanted: Wanted, report: &TickReport, took: Duration) {
        let each = self.loops.as_mut().zip(wanted.zip(report.loops.clone()));
        each.map(|(each, (reason, (counts, last)))| {
            each.shown.counts.add(counts);
            if reason.is_some() {
                tell::ran(each.shown.name, &last);
                each.shown.reason = reason;
                each.shown.last = last;
            }
        });
        self.tell(report.trouble.as_deref());
        let batch = self.engine.as_ref().map(|engine| engine.batch.operations());
        let census = self.engine.as_ref().map(|engine| engine.census.clone());
        let loops = self.loops.as_ref().map(|each| each.shown.clone());
        self.board.post(|status| {
            status.took = took;
            status.machines.clone_from(&self.machines.borrow());
            status.census = census.unwrap_or_default();
            if report.trouble.is_none() {
                status.good = Some(Moment::now());
            }
            status.loops = loops.into_array().into();
            status.ticks += 1;
            status.most_rows = status.most_rows.max(report.rows);
            status.last_tick = Some(report.now);
            status.lease = report.lease.clone();
            status.degraded.clone_from(&report.degraded);
            status.trouble.clone_from(&report.trouble);
            status.batch_operations = batch.unwrap_or_default();
            status.note(report.notes.iter().cloned());
        });
    }

    /// Says what kept a tick from writing, and when trouble is over.
    fn tell(&self, trouble: Option<&str>) {
        let before = self.board.reader().borrow().trouble.clone();
        match trouble {
            // Said already; the heartbeat goes on saying it.
            Some(words) if before.as_deref() == Some(words) => {
                tracing::debug!("the store still cannot be written");
            }
            Some(words) => tracing::warn!("the store cannot be written: {words}"),
            None if before.is_some() => tracing::info!("the store answers again"),
            None => {}
        }
    }

    pub(super) fn show_trouble(&mut self, wanted: Wanted, error: &Error) {
        let words = trouble::words(error);
        let known = self.board.reader().borrow().trouble.as_ref() == Some(&words);
        match known {
            false => tracing::warn!(
                error.kind = error.kind(),
                "the store cannot be read: {words}"
            ),
            // Said already; the heartbeat goes on saying it.
            true => tracing::debug!(error.kind = error.kind(), "the store still cannot be read"),
        }
        self.show_last(wanted, &LastResult::Trouble(words.clone()));
        self.board.post(|status| status.trouble = Some(words));
    }

    /// After a panic outside of planning nothing that was remembered can be trusted.
    pub(super) fn recover(&mut self, wanted: Wanted, panic: &str) {
        tracing::error!("a tick panicked: {panic}");
        if let Some(engine) = &mut self.engine {
            engine.memory = Memory::new(engine.memory.adopts);
        }
        let period = self.config.period_open;
        self.loops.as_mut().map(|each| {
            each.due = Moment::now().plus(period);
            each.shown.counts.panics += 1;
        });
        self.show_last(wanted, &LastResult::Panicked(panic.to_owned()));
    }

    fn show_last(&mut self, wanted: Wanted, last: &LastResult) {
        self.loops.as_mut().zip(wanted).map(|(each, ran)| {
            if ran.is_some() {
                tell::ran(each.shown.name, last);
                each.shown.reason = ran;
                each.shown.last = last.clone();
            }
        });
        let loops = self.loops.as_ref().map(|each| each.shown.clone());
        self.board
            .post(|status| status.loops = loops.into_array().into());
    }
}
