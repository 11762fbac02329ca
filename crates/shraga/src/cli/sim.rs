//! `shraga sim`: the shipped decisions, tried in simulated histories full of faults.
//!
//! It needs no store, no configuration and no network. Nothing is random but by seed, so what it
//! finds anybody can see again.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use shraga_sim::{Options, Shrunk, Totals, Violation, run, run_all, shrink};

use crate::clock;
use crate::display::Output;
use crate::exit::{Exit, Failure};
use crate::roles::signals;

/// Simulate histories full of faults and check every promise in each
///
/// Several orchestrators, workers (also the original's) and people act on one simulated store, in an
/// order and with faults that a seed decides: crashes, lost replies, repeated, delayed, torn and
/// throttled requests, outages, clocks that are off. They run the decisions that this program ships.
///
/// With --machines the histories are of machines instead: orchestrators look after what a provider makes,
/// while requests and replies are lost or late, machines fail, end or vanish, and orchestrators die between
/// a write and its request.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga sim
  shraga sim --seed 1 --histories 1000000
  shraga sim --seed 42 --histories 1 --trace
  shraga sim --machines --histories 10000

Exits 0 only if every history kept every promise; 1 with the seed, the step and the promise that was
broken; 75 when interrupted before all had run.")]
pub struct Sim {
    /// Seed of the first history; each following one has the next
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many histories
    #[arg(long, value_name = "M", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    histories: u64,
    /// Histories of machines, rather than of tasks
    #[arg(long)]
    machines: bool,
    /// Show what happened in the history that broke a promise, made as short as it goes; of a single
    /// history that broke none, all of it
    #[arg(long)]
    trace: bool,
}

impl Sim {
    pub(crate) fn run(self, output: Output) -> Result<Exit, Failure> {
        let Some(end) = self.seed.checked_add(self.histories) else {
            let message = format!(
                "there are no {} seeds from {} on",
                self.histories, self.seed
            );
            return Err(Failure::new(Exit::Usage, message)
                .hint("choose a smaller --seed or fewer --histories"));
        };
        let begun = clock::instant();
        let totals = self.simulate(end, output)?;
        let took = begun.elapsed();
        let trace = self.trace(&totals);
        if output.json {
            output.object(&object(&self, &totals, &trace, took))?;
        } else {
            self.print(&totals, &trace, took, output)?;
        }
        Ok(self.exit(&totals))
    }

    fn options(&self) -> Options {
        Options {
            machines: self.machines,
            ..Options::default()
        }
    }

    const fn exit(&self, totals: &Totals) -> Exit {
        match totals.failed {
            Some(_) => Exit::Failed,
            None if totals.histories < self.histories => Exit::TryAgain,
            None => Exit::Done,
        }
    }

    /// Runs the histories on all processors, until one fails or a signal comes.
    fn simulate(&self, end: u64, output: Output) -> Result<Totals, Failure> {
        let runtime = crate::runtime()?;
        let entered = runtime.enter();
        let stop = signals::watch();
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let bar = output.live.then(|| bar(self.histories));
        let begun = AtomicU64::new(0);
        let totals = run_all(self.seed..end, &self.options(), threads, || {
            let begun = begun.fetch_add(1, Ordering::Relaxed);
            if let Some(bar) = &bar {
                bar.set_position(begun.saturating_sub(threads.get() as u64));
            }
            !stop.drain.is_cancelled()
        });
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        drop(entered);
        Ok(totals)
    }

    /// What is shown of a history: the failing one's, or the only one's.
    fn trace(&self, totals: &Totals) -> Vec<String> {
        if !self.trace {
            return Vec::new();
        }
        match &totals.failed {
            Some((seed, _)) => shrink(*seed, &self.options()).map_or_else(Vec::new, shown),
            None if self.histories == 1 => {
                let options = Options {
                    trace: true,
                    ..self.options()
                };
                run(self.seed, &options).trace
            }
            None => Vec::new(),
        }
    }

    fn print(
        &self,
        totals: &Totals,
        trace: &[String],
        took: Duration,
        output: Output,
    ) -> Result<(), Failure> {
        for line in trace {
            output.line(line)?;
        }
        if let Some((seed, violation)) = &totals.failed {
            output.line(format_args!("seed {seed}, {violation}"))?;
            if !self.trace {
                let kind = if self.machines { " --machines" } else { "" };
                let again = format!("shraga sim{kind} --seed {seed} --histories 1 --trace");
                output.talk(format_args!("hint: see how it came to that: {again}"));
            }
            return Ok(());
        }
        for line in summary(self, totals, took) {
            output.line(line)?;
        }
        Ok(())
    }
}

/// A shrunk history's lines, and how short it became.
fn shown(shrunk: Shrunk) -> Vec<String> {
    let Shrunk { history, steps, of } = shrunk;
    let mut lines = history.trace;
    lines.push(format!("({steps} of {of} steps are left)"));
    lines.extend(history.violation.map(|violation| violation.to_string()));
    lines
}

fn summary(asked: &Sim, totals: &Totals, took: Duration) -> Vec<String> {
    let Totals {
        histories,
        steps,
        tasks,
        writes,
        refused,
        faults,
        ..
    } = totals;
    let last = asked.seed + histories.saturating_sub(1);
    let interrupted = *histories < asked.histories;
    let of = if interrupted {
        format!(" of {} (interrupted)", asked.histories)
    } else {
        String::new()
    };
    let seconds = took.as_secs_f64();
    let mut lines = vec![
        format!(
            "{histories}{of} {} kept every promise: seeds {} to {last}, {seconds:.1} s",
            if asked.histories == 1 {
                "history"
            } else {
                "histories"
            },
            asked.seed
        ),
        format!(
            "{steps} steps, {tasks} tasks, {writes} change sets, {refused} refused, {faults} faults"
        ),
    ];
    for (name, kinds) in kinds(totals) {
        let kinds: Vec<String> = kinds
            .iter()
            .map(|(kind, n)| format!("{kind} {n}"))
            .collect();
        lines.push(format!("{name}: {}", kinds.join(", ")));
    }
    lines
}

fn kinds(totals: &Totals) -> [(&'static str, &BTreeMap<&'static str, u64>); 3] {
    let coverage = &totals.coverage;
    [
        ("faults", &coverage.faults),
        ("deeds", &coverage.deeds),
        ("reasons", &coverage.reasons),
    ]
}

fn object(asked: &Sim, totals: &Totals, trace: &[String], took: Duration) -> serde_json::Value {
    let violation = totals.failed.as_ref().map(|(seed, violation)| {
        let Violation {
            promise,
            step,
            seen,
        } = violation;
        json!({"seed": seed, "step": step, "promise": promise.to_string(), "seen": seen})
    });
    let mut object = json!({
        "seed": asked.seed,
        "asked": asked.histories,
        "histories": totals.histories,
        "steps": totals.steps,
        "rounds": totals.rounds,
        "tasks": totals.tasks,
        "change_sets": totals.writes,
        "refused": totals.refused,
        "fault_count": totals.faults,
        "seconds": took.as_secs_f64(),
        "violation": violation,
        "trace": trace,
    });
    for (name, kinds) in kinds(totals) {
        object[name] = json!(kinds);
    }
    object
}

fn bar(length: u64) -> ProgressBar {
    let template = "{bar:30.cyan} {human_pos} of {human_len} histories, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(length);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use shraga_sim::Promise;

    use super::*;

    const OUTPUT: Output = Output {
        json: false,
        terminal: false,
        live: false,
    };

    const FIVE: Sim = Sim {
        seed: 3,
        histories: 5,
        machines: false,
        trace: false,
    };

    #[test]
    fn histories_that_keep_every_promise_are_counted_and_exit_0() {
        let totals = FIVE.simulate(8, OUTPUT).unwrap();
        assert_eq!((totals.histories, FIVE.exit(&totals)), (5, Exit::Done));
        let lines = summary(&FIVE, &totals, Duration::from_secs(1));
        assert!(lines[0].starts_with("5 histories kept every promise: seeds 3 to 7"));
        let object = object(&FIVE, &totals, &[], Duration::from_secs(1));
        assert_eq!(object["histories"], 5);
        assert!(object["violation"].is_null());
        assert!(object["faults"]["request lost"].as_u64() > Some(0));
    }

    #[test]
    fn a_broken_promise_is_named_with_seed_and_step_and_exits_1() {
        let violation = Violation {
            promise: Promise::OneMirror,
            step: 7,
            seen: "two of them".to_owned(),
        };
        let totals = Totals {
            histories: 2,
            failed: Some((4, violation)),
            ..Totals::default()
        };
        assert_eq!(FIVE.exit(&totals), Exit::Failed);
        let object = object(&FIVE, &totals, &[], Duration::ZERO);
        let violation = &object["violation"];
        assert_eq!(
            (&violation["seed"], &violation["step"]),
            (&json!(4), &json!(7))
        );
        assert_eq!(violation["promise"], Promise::OneMirror.to_string());
    }

    #[test]
    fn an_interrupted_run_says_how_far_it_came_and_does_not_exit_0() {
        let totals = Totals {
            histories: 2,
            ..Totals::default()
        };
        assert_eq!(FIVE.exit(&totals), Exit::TryAgain);
        let lines = summary(&FIVE, &totals, Duration::ZERO);
        assert!(
            lines[0].starts_with("2 of 5 (interrupted) histories"),
            "{}",
            lines[0]
        );
    }

    #[test]
    fn histories_of_machines_are_others() {
        let machines = Sim {
            machines: true,
            ..FIVE
        };
        let totals = machines.simulate(8, OUTPUT).unwrap();
        let object = object(&machines, &totals, &[], Duration::ZERO);
        assert!(object["deeds"]["make"].as_u64() > Some(0), "{object}");
    }

    #[test]
    fn a_single_history_shows_all_of_its_trace() {
        let one = Sim {
            seed: 3,
            histories: 1,
            machines: false,
            trace: true,
        };
        let trace = one.trace(&Totals::default());
        assert!(
            trace
                .iter()
                .any(|line| line.contains("calm: no more faults"))
        );
    }
}
