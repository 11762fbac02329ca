use shraga_core::reason::Reason;
use shraga_core::worker::Outcome;
use shraga_core::worker::pipeline::Phase;

use super::*;

/// How far a task has come that has been through everything.
pub(crate) fn progress() -> Progress {
    let place = |phase, round| Place {
        phase,
        round,
        run: 2,
    };
    let ran = |outcome| Ran {
        attempt: Attempt(3),
        place: place(Phase::Verify, 1),
        outcome,
        usage: Usage {
            input_tokens: 7,
            turns: 2,
            ..Usage::UNKNOWN
        },
        ran: Duration::from_millis(1_234),
    };
    let outcomes = [
        Outcome::Completed,
        Outcome::Retry,
        Outcome::Released,
        Outcome::Failed(Reason::NotVerified),
        Outcome::Canceled,
        Outcome::Asked,
    ];
    Progress {
        place: place(Phase::Work, 2),
        result: "so far".to_owned(),
        verdict: Some(Verdict::Fail {
            feedback: "a test fails".to_owned(),
        }),
        summary: Some("in short".to_owned()),
        phases: outcomes.map(ran).to_vec(),
    }
}

#[test]
fn progress_survives_being_stored() {
    let progress = progress();
    let text = serde_json::to_string(&StoredProgress::from(&progress)).unwrap();
    let stored: StoredProgress = serde_json::from_str(&text).unwrap();
    assert_eq!(Progress::try_from(stored).unwrap(), progress);
}

#[test]
fn a_phase_nobody_knows_is_refused_by_name() {
    let text = r#"{"place":{"phase":"dream","round":1,"run":1}}"#;
    let stored: StoredProgress = serde_json::from_str(text).unwrap();
    let error = Progress::try_from(stored).unwrap_err();
    assert_eq!(error.to_string(), "`dream` is not a phase");
}
