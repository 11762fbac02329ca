//! Links that failed are tried again: the one exception to "a loop does not retry".
//!
//! At a store without change sets a mirror is made first and linked after. A link that fails for a
//! passing reason is tried again a few times, a little apart; whatever is left then is found unlinked by
//! the next tick, and repaired. A link that met a changed row is not repeated: what to do about it must
//! be decided anew.

use shraga_core::row::{ChangeSet, tasks};
use shraga_dataverse::{Client, OnRefusal, Outcome, Rest};

use crate::apply::Applied;
use crate::config::LinkTries;
use crate::stopper::Stopper;

/// Tries the links among `applied` again that were left to be made.
pub(crate) async fn finish(
    client: &Client,
    stopper: &Stopper,
    allowed: LinkTries,
    applied: &mut Applied,
) {
    for _ in 1..allowed.tries {
        let (at, rests) = waiting(&applied.outcomes);
        if rests.is_empty() || stopper.wait(allowed.delay).await.is_err() {
            return;
        }
        tracing::info!(links = rests.len(), "trying again to link new mirrors");
        let Ok(again) = client.apply(&rests, OnRefusal::Continue).await else {
            continue;
        };
        for ((i, rest), outcome) in at.into_iter().zip(rests).zip(again.outcomes) {
            applied.outcomes[i] = after(rest, outcome);
        }
    }
}

/// The links worth another try, and where they stand.
fn waiting(outcomes: &[Outcome]) -> (Vec<usize>, Vec<ChangeSet>) {
    let link = |(i, outcome): (usize, &Outcome)| match outcome {
        Outcome::Partly(rest) if rest.passing && links(&rest.set) => Some((i, rest.set.clone())),
        Outcome::Partly(_)
        | Outcome::Done(_)
        | Outcome::Refused(_)
        | Outcome::NotTried
        | Outcome::Unknown => None,
    };
    outcomes.iter().enumerate().filter_map(link).unzip()
}

fn links(rest: &ChangeSet) -> bool {
    let next = rest.writes.first();
    next.is_some_and(|write| write.get(tasks::MIRROR_LINK).is_some())
}

/// What became of the whole set, of which `rest` was tried again.
fn after(rest: ChangeSet, outcome: Outcome) -> Outcome {
    match outcome {
        // Versions of what was made before are not known here any more; nobody asks for them.
        Outcome::Done(_) => Outcome::Done(Vec::new()),
        Outcome::Partly(rest) => Outcome::Partly(rest),
        Outcome::Refused(refusal) => Outcome::Partly(Box::new(Rest {
            set: rest,
            passing: refusal.kind == shraga_dataverse::RefusalKind::Unavailable,
        })),
        Outcome::Unknown | Outcome::NotTried => Outcome::Partly(Box::new(Rest {
            set: rest,
            passing: true,
        })),
    }
}
