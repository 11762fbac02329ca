//! A job for the tests of the kinds, and the watch over a running program.

use std::sync::Arc;

use shraga_core::ids::{Attempt, MirrorId, TaskId};
use tokio::sync::watch;
use uuid::Uuid;

use super::vigil::{self, Patience, Sign};
use super::*;

pub(super) fn job(prompt: &str) -> PhaseJob {
    let root = tempfile::tempdir().unwrap();
    for name in ["running", "tasks"] {
        std::fs::create_dir(root.path().join(name)).unwrap();
    }
    let task = TaskId::new(Uuid::from_u128(1));
    let own = [
        ("ANTHROPIC_API_KEY", "key"),
        ("DATAVERSE_TOKEN", "secret"),
        ("HOME", "/h"),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    PhaseJob {
        mirror: MirrorId::new(Uuid::from_u128(2)),
        task,
        attempt: Attempt(1),
        name: "a name".to_owned(),
        phase: Phase::Work,
        prompt: prompt.to_owned(),
        frame: "the frame".to_owned(),
        resume: None,
        new_session: Session::named("new"),
        schema: None,
        turns: None,
        env: Vec::new(),
        exchange: "/x".into(),
        dir: "/w".into(),
        folder: AttemptFolder::create(root.path(), task, Attempt(1), "").unwrap(),
        environment: Arc::new(BTreeMap::from(own)),
        grace: Duration::from_secs(1),
        gauge: crate::meter::Gauge::default(),
        left: shraga_core::budget::Budget::NONE,
        supervision: Supervision {
            launcher: Vec::new(),
            orphan: Duration::from_secs(1),
            about: BTreeMap::new(),
        },
        footing: Footing::new(false, crate::attempt::Door::default()),
    }
}

const PATIENCE: Patience = Patience {
    after_result: Duration::from_secs(30),
    silence: Some(Duration::from_secs(900)),
};

#[tokio::test(start_paused = true)]
async fn a_program_that_goes_on_after_its_last_word_is_ended_whatever_it_prints() {
    let signs = watch::Sender::new(Sign::default());
    let interrupt = Interrupt::default();
    let own = interrupt.of_program();
    let talk = async {
        signs.send_modify(|sign| sign.done = true);
        loop {
            crate::clock::after(Duration::from_secs(1)).await;
            signs.send_modify(|sign| sign.bytes += 1);
        }
    };
    let ended = tokio::select! {
        ended = vigil::watch(signs.subscribe(), PATIENCE, &own) => ended,
        () = talk => unreachable!("it talks for ever"),
    };
    assert_eq!(ended, vigil::Ended::AfterResult);
    assert!(own.stop().ask.is_cancelled());
    assert_eq!(interrupt.why(), None, "the attempt goes on");
}

#[tokio::test(start_paused = true)]
async fn only_a_program_that_says_nothing_at_all_counts_as_silent() {
    let signs = watch::Sender::new(Sign::default());
    let own = Interrupt::default().of_program();
    let began = tokio::time::Instant::now();
    let talk = async {
        for _ in 0..10 {
            crate::clock::after(Duration::from_secs(800)).await;
            signs.send_modify(|sign| sign.bytes += 1);
        }
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = vigil::watch(signs.subscribe(), PATIENCE, &own) => ended,
        () = talk => unreachable!("it hangs"),
    };
    assert_eq!(ended, vigil::Ended::Silent(Duration::from_secs(900)));
    assert_eq!(began.elapsed().as_secs(), 8_900);
}
