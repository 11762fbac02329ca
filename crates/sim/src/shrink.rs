//! Making a failing history shorter, so that a person can read what went wrong.
//!
//! Faults and steps are left out, and the cast made smaller, as long as the same promise is still
//! broken. Nothing is random: the same history always shrinks to the same one.

use crate::lesser::Abilities;
use crate::promises::Promise;
use crate::script::{Script, Step};
use crate::{History, Options, live};

/// Histories tried at most. More would shorten a trace by little and take minutes.
const TRIES: u32 = 4_000;

/// A history that is as short as could be found.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The history, with its trace.
    pub history: History,
    /// Steps that are left.
    pub steps: usize,
    /// Steps there were.
    pub of: usize,
}

/// The shortest history that could be found in which `seed` still breaks the same promise; `None`
/// when it breaks none.
#[must_use]
pub fn shrink(seed: u64, options: &Options) -> Option<Shrunk> {
    let mut script = Script::of(seed);
    let of = script.steps.len();
    let quietly = Options {
        trace: false,
        ..options.clone()
    };
    let history = live(script.clone(), &quietly);
    let violation = history.violation?;
    let mut search = Search {
        options: quietly,
        promise: violation.promise,
        tries: TRIES,
    };
    let last = script
        .steps
        .iter()
        .take_while(|step| u64::from(step.number) < violation.step);
    let cut = Script {
        steps: last.copied().collect(),
        ..script.clone()
    };
    if search.still_fails(&cut) {
        script = cut;
    }
    // Each makes room for the others.
    loop {
        let before = script.clone();
        search.smaller_cast(&mut script);
        search.fewer_steps(&mut script);
        search.fewer_faults(&mut script);
        if script == before {
            break;
        }
    }
    let steps = script.steps.len();
    let options = Options {
        trace: true,
        ..options.clone()
    };
    let history = live(script, &options);
    Some(Shrunk { history, steps, of })
}

struct Search {
    options: Options,
    promise: Promise,
    tries: u32,
}

impl Search {
    fn still_fails(&mut self, script: &Script) -> bool {
        if self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        let history = live(script.clone(), &self.options);
        history
            .violation
            .is_some_and(|violation| violation.promise == self.promise)
    }

    fn keep_if_fails(&mut self, script: &mut Script, shorter: Script) -> bool {
        let fails = shorter != *script && self.still_fails(&shorter);
        if fails {
            *script = shorter;
        }
        fails
    }

    /// Leaves out chunks of steps, halving the chunks.
    fn fewer_steps(&mut self, script: &mut Script) {
        let mut chunk = script.steps.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < script.steps.len() {
                let mut shorter = script.clone();
                let end = (at + chunk).min(shorter.steps.len());
                shorter.steps.drain(at..end);
                if !self.keep_if_fails(script, shorter) {
                    at += chunk;
                }
            }
            if chunk == 1 {
                return;
            }
            chunk = chunk.div_ceil(2);
        }
    }

    /// Takes the faults out of steps, all at once or one by one.
    fn fewer_faults(&mut self, script: &mut Script) {
        let calm = |step: Step| Step {
            faults: false,
            ..step
        };
        let mut none = script.clone();
        none.steps.iter_mut().for_each(|step| *step = calm(*step));
        if self.keep_if_fails(script, none) {
            return;
        }
        for at in 0..script.steps.len() {
            if !script.steps[at].faults {
                continue;
            }
            let mut fewer = script.clone();
            fewer.steps[at] = calm(fewer.steps[at]);
            self.keep_if_fails(script, fewer);
        }
    }

    fn smaller_cast(&mut self, script: &mut Script) {
        let less: [fn(&mut Script) -> bool; 7] = [
            |it| lower(&mut it.cast.orchestrators, 1),
            |it| lower(&mut it.cast.workers, 1),
            |it| lower(&mut it.cast.people, 1),
            |it| lower(&mut it.cast.legacy, 0),
            |it| std::mem::take(&mut it.cast.leftovers),
            |it| std::mem::take(&mut it.cast.hostile),
            |it| std::mem::replace(&mut it.cast.store, Abilities::FULL) != Abilities::FULL,
        ];
        for change in less {
            let mut smaller = script.clone();
            while change(&mut smaller) && self.keep_if_fails(script, smaller.clone()) {}
        }
    }
}

/// Lowers a number by one, down to `least`; answers whether it did.
const fn lower(number: &mut u8, least: u8) -> bool {
    let above = *number > least;
    if above {
        *number -= 1;
    }
    above
}
