use shraga_core::reason::Reason;

use shraga_core::time::Span;
use shraga_core::usage::Usage;
use shraga_core::worker::pipeline::Progress;
use shraga_core::worker::{ChangedFile, Commit, Evidence, Push, Until};

use super::*;

fn evidence() -> Evidence {
    Evidence {
        repository: "https://example.com/a".to_owned(),
        branch: "shraga/t/attempt-6".to_owned(),
        base: "b".to_owned(),
        head: "c".to_owned(),
        unfinished: true,
        commits: vec![Commit {
            id: "c".to_owned(),
            subject: "s".to_owned(),
        }],
        commit_count: 1,
        files: vec![ChangedFile {
            path: "a\nb".to_owned(),
            added: Some(1),
            removed: None,
        }],
        file_count: 1,
        push: Push::Failed("no network".to_owned()),
        notes: vec!["a note".to_owned()],
    }
}

fn report(outcome: Outcome) -> Report {
    Report {
        mirror: MirrorId::new(Uuid::from_u128(1)),
        task: TaskId::new(Uuid::from_u128(2)),
        user: Some(UserId::new(Uuid::from_u128(3))),
        worker: WorkerId::new(Uuid::from_u128(4)),
        boot: BootId::new(Uuid::from_u128(5)),
        attempt: Attempt(6),
        at: Timestamp::from_millis(7_008),
        head: StreamHead {
            sequence: 9,
            hash: "ab".to_owned(),
            stream: None,
        },
        lines: vec!["a line".to_owned()],
        finish: Finish {
            outcome,
            result: "r\u{fc}".to_owned(),
            message: "m".to_owned(),
            transcript: String::new(),
            ran: Duration::from_millis(1_234),
            usage: Usage {
                input_tokens: 3,
                turns: 1,
                cost_micros: Some(10),
                ..Usage::NONE
            },
            folder: Some("/f".to_owned()),
            evidence: Some(Box::new(evidence())),
            progress: Progress {
                summary: Some("in short".to_owned()),
                ..Progress::default()
            },
            question: Some("which one?".to_owned()),
            checkpoint: Some("{}".to_owned()),
        },
    }
}

#[test]
fn a_report_survives_the_disk_whatever_its_outcome() {
    let outcomes = [
        Outcome::Completed,
        Outcome::Retry,
        Outcome::Released,
        Outcome::Failed(Reason::TimedOut),
        Outcome::PutOff(Reason::UsageLimit, Until::At(Timestamp::from_millis(1))),
        Outcome::PutOff(Reason::RateLimited, Until::After(Span::secs(30))),
        Outcome::Canceled,
        Outcome::Asked,
    ];
    for outcome in outcomes {
        let report = report(outcome);
        let text = serde_json::to_string(&StoredReport::from(&report)).unwrap();
        let stored: StoredReport = serde_json::from_str(&text).unwrap();
        assert_eq!(stored.key(), (report.mirror, report.attempt));
        assert_eq!(Report::try_from(stored).unwrap(), report);
    }
}

#[test]
fn a_reason_nobody_knows_is_refused_by_name() {
    let mut stored = StoredReport::from(&report(Outcome::Failed(Reason::TimedOut)));
    stored.reason = Some("moonphase".to_owned());
    let error = Report::try_from(stored).unwrap_err();
    assert_eq!(error.to_string(), "`moonphase` is not a reason");
}
