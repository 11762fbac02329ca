//! Watches over a program that says what it does: one that goes on after its last word is ended, and
//! so is one that says nothing for too long.
//!
//! A vendor's program can outlive its result because a child of its keeps a pipe open, and a stream of
//! answers can stop with the connection open; neither ends by itself.

use std::time::Duration;

use shraga_core::usage::Usage;
use tokio::sync::watch;

use crate::attempt::Interrupt;
use crate::clock;

/// What is known of a running agent at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sign {
    /// Bytes it printed.
    pub(crate) bytes: u64,
    /// What it used so far, where it tells.
    pub(crate) usage: Option<Usage>,
    /// Its model, where it tells.
    pub(crate) model: Option<String>,
    /// Whether it has said its last word.
    pub(crate) done: bool,
}

/// Why a program was ended from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It went on after its last word.
    AfterResult,
    /// It said nothing for this long.
    Silent(Duration),
}

/// How long a program may go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// After its last word.
    pub(super) after_result: Duration,
    /// Without a word; for ever when `None`.
    pub(super) silence: Option<Duration>,
}

/// Watches until there is a reason to end it; then asks for that through `interrupt` and tells which.
pub(super) async fn watch(
    mut signs: watch::Receiver<Sign>,
    patience: Patience,
    interrupt: &Interrupt,
) -> Ended {
    loop {
        let done = signs.borrow_and_update().done;
        let wait = match (done, patience.silence) {
            (true, _) => Some(patience.after_result),
            (false, silence) => silence,
        };
        let quiet = async {
            match wait {
                Some(wait) => clock::after(wait).await,
                None => std::future::pending().await,
            }
        };
        let changed = async {
            // After its last word nothing it prints gives it more time.
            if done || signs.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = changed => {}
            () = quiet => {
                interrupt.end_program();
                return match (done, patience.silence) {
                    (false, Some(silence)) => Ended::Silent(silence),
                    (true, _) | (false, None) => Ended::AfterResult,
                };
            }
        }
    }
}
