//! Checking now and then, beside the ticks and never in their way.
//!
//! Each thing is said once: a version when it is first seen, a hindrance when it begins or changes.

use std::time::Duration;

use shraga_update::{Found, Settings, check};
use tokio::sync::watch;

use crate::stopper::{Stopped, Stopper};

/// Starts to check, if there is a period. What was found last is in `shown`.
pub(crate) fn start(settings: Settings, shown: watch::Sender<Option<Found>>, stopper: Stopper) {
    let Some(every) = settings.every else {
        return;
    };
    tokio::spawn(async move {
        // It ends by being stopped; a check cut short ends its git.
        let _stopped = again_and_again(&settings, every, &shown, &stopper).await;
    });
}

async fn again_and_again(
    settings: &Settings,
    every: Duration,
    shown: &watch::Sender<Option<Found>>,
    stopper: &Stopper,
) -> Result<(), Stopped> {
    loop {
        let found = stopper.unless_stopped(check(settings)).await?;
        if shown
            .borrow()
            .as_ref()
            .is_none_or(|before| is_news(before, &found))
        {
            tell(&found);
        }
        shown.send_replace(Some(found));
        stopper.wait(every).await?;
    }
}

/// Whether there is something to say that wasn't said.
fn is_news(before: &Found, now: &Found) -> bool {
    (before.state, &before.available) != (now.state, &now.available)
}

fn tell(found: &Found) {
    let state = found.state.as_str();
    let advice = found.advice().unwrap_or_default();
    match found.state.is_told() {
        true if found.state.is_newer() => {
            tracing::warn!(update.state = state, "{found}: {advice}");
        }
        true => tracing::debug!(update.state = state, "{found}"),
        false => {
            tracing::warn!(
                update.state = state,
                "no newer version can be noticed: {found}: {advice}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shraga_update::State;

    #[test]
    fn a_version_is_said_once_and_the_next_one_again() {
        let found = |state, available: &str| Found {
            current: "1.0.0".to_owned(),
            available: Some(available.to_owned()),
            release: None,
            branch: "main".to_owned(),
            state,
            checkout: None,
            detail: None,
            installs: false,
        };
        let first = found(State::Available, "1.1.0");
        assert!(!is_news(&first, &first.clone()));
        assert!(is_news(&first, &found(State::Available, "1.2.0")));
        assert!(is_news(&first, &found(State::TimedOut, "1.1.0")));
    }
}
