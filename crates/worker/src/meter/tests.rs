//! A meter beside an agent that writes its usage file, without any program.

use std::future::pending;

use uuid::Uuid;

use super::*;
use crate::agents::PhaseOutcome;

/// Long enough that only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

struct Stage {
    folder: tempfile::TempDir,
    interrupt: Interrupt,
    news: mpsc::Receiver<News>,
    sender: mpsc::Sender<News>,
}

fn allowed(budget: &str, tells: Tells) -> Allowed {
    Allowed {
        ceiling: budget.parse().unwrap(),
        before: Spent::NONE,
        metering: Metering {
            tells,
            ..Metering::default()
        },
    }
}

impl Stage {
    fn new() -> Self {
        let (sender, news) = mpsc::channel(16);
        Self {
            folder: tempfile::tempdir().unwrap(),
            interrupt: Interrupt::default(),
            news,
            sender,
        }
    }

    fn meter(&self, allowed: &Allowed) -> Meter {
        let mirror = MirrorId::new(Uuid::from_u128(1));
        Meter::new(mirror, allowed, Spent::NONE, Files::new(self.folder.path()))
    }

    fn write(&self, usage: &str) {
        std::fs::write(self.folder.path().join("usage.json"), usage).unwrap();
    }

    fn read(&self, name: &str) -> serde_json::Value {
        let text = std::fs::read(self.folder.path().join(name)).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// An agent that goes on until it is asked to end.
    async fn until_asked(&self) -> PhaseEnd {
        let why = self.interrupt.asked().await;
        end(PhaseOutcome::Interrupted(why))
    }

    async fn attend(&self, meter: Meter, agent: impl Future<Output = PhaseEnd>) -> PhaseEnd {
        let attended = meter.attend(agent, &self.interrupt, &self.sender);
        tokio::time::timeout(HANG, attended)
            .await
            .expect("it hangs")
    }
}

fn end(outcome: PhaseOutcome) -> PhaseEnd {
    PhaseEnd {
        outcome,
        ran: Duration::from_secs(1),
        usage: Usage::UNKNOWN,
        ..PhaseEnd::unavailable(String::new())
    }
}

#[tokio::test]
async fn an_agent_that_reaches_its_limit_is_ended_and_what_it_used_is_known() {
    let stage = Stage::new();
    let meter = stage.meter(&allowed("0.50usd", Tells::File));
    stage.write(r#"{"cost_usd": 0.61, "output_tokens": 12, "turns": 3}"#);
    let end = stage.attend(meter, stage.until_asked()).await;
    let stopped = Interruption::Budget(Limit::Cost);
    assert_eq!(end.outcome, PhaseOutcome::Interrupted(stopped));
    assert_eq!(
        stopped.outcome().0,
        shraga_core::worker::Outcome::Failed(Reason::BudgetCost)
    );
    assert_eq!(
        end.message,
        "ended: its budget of money is used up ($0.61 of $0.50)"
    );
    assert_eq!(end.usage.cost_micros, Some(610_000));
    assert_eq!((end.usage.output_tokens, end.usage.turns), (12, 3));
}

#[tokio::test]
async fn an_agent_is_warned_once_per_limit_in_its_file_and_in_the_log() {
    let mut stage = Stage::new();
    let meter = stage.meter(&allowed("1000tokens", Tells::File));
    stage.write(r#"{"output_tokens": 850}"#);
    let agent = async {
        let news = stage.news.recv().await;
        let Some(News::Lines(_, lines)) = news else {
            panic!("{news:?}");
        };
        assert_eq!(lines, ["[85% of the budget: 850 tokens of 1.0k tokens]"]);
        end(PhaseOutcome::Completed)
    };
    let attended = meter.attend(agent, &stage.interrupt, &stage.sender);
    let end = tokio::time::timeout(HANG, attended)
        .await
        .expect("it hangs");
    assert_eq!(end.outcome, PhaseOutcome::Completed);
    let shown = stage.read("budget.json");
    assert_eq!(shown["percent"], 85);
    assert_eq!(shown["limits"]["tokens"]["used"], 850);
    let said = shown["warning"].as_str().unwrap();
    assert!(
        said.starts_with("85% of this task's budget of tokens"),
        "{said}"
    );
    let notice = stage.read("notice.json");
    assert_eq!(
        notice["hookSpecificOutput"]["additionalContext"],
        shown["warning"]
    );
}

#[tokio::test]
async fn what_was_used_before_counts_and_the_rest_of_the_day_too() {
    let stage = Stage::new();
    let mut allowed = allowed("10turns", Tells::File);
    allowed.before.usage.turns = 9;
    stage.write(r#"{"turns": 1}"#);
    let end = stage
        .attend(stage.meter(&allowed), stage.until_asked())
        .await;
    assert_eq!(
        end.message,
        "ended: its budget of turns is used up (10 turns of 10 turns)"
    );
    allowed.before.usage.turns = 10;
    let refused = stage.meter(&allowed).refuses();
    assert_eq!(refused.map(|it| it.0), Some(Reason::BudgetTurns));
}

#[tokio::test]
async fn time_is_a_limit_without_any_word_of_the_agent() {
    let stage = Stage::new();
    let meter = stage.meter(&allowed("0.001s", Tells::Nothing));
    assert_eq!(meter.refuses(), None);
    let end = stage.attend(meter, stage.until_asked()).await;
    let stopped = Interruption::Budget(Limit::Time);
    assert_eq!(end.outcome, PhaseOutcome::Interrupted(stopped));
}

#[tokio::test]
async fn output_is_a_limit() {
    let stage = Stage::new();
    let meter = stage.meter(&allowed("1kb", Tells::Nothing));
    let (gauge, signs) = (meter.gauge(), watch::Sender::default());
    let printed = signs.subscribe();
    signs.send_replace(Sign {
        bytes: 1_000,
        ..Sign::default()
    });
    let agent = async {
        tokio::select! {
            end = stage.until_asked() => end,
            never = gauge.follow(printed) => match never {},
        }
    };
    let end = stage.attend(meter, agent).await;
    let stopped = Interruption::Budget(Limit::Output);
    assert_eq!(end.outcome, PhaseOutcome::Interrupted(stopped));
}

#[tokio::test]
async fn tokens_without_a_price_are_not_let_through_when_cost_is_limited() {
    let stage = Stage::new();
    let meter = stage.meter(&allowed("1usd", Tells::File));
    stage.write(r#"{"output_tokens": 5, "model": "somebody's"}"#);
    let end = stage.attend(meter, stage.until_asked()).await;
    assert_eq!(
        end.outcome,
        PhaseOutcome::Interrupted(Interruption::Unpriced)
    );
    assert_eq!(
        Interruption::Unpriced.outcome().0,
        shraga_core::worker::Outcome::Failed(Reason::PriceUnknown)
    );
}

#[tokio::test]
async fn tokens_are_priced_by_the_model_that_the_agent_names() {
    let stage = Stage::new();
    let mut allowed = allowed("1usd", Tells::File);
    allowed.metering.prices = Arc::new(Prices::over_shipped(Vec::new()));
    stage.write(r#"{"output_tokens": 100000, "model": "claude-sonnet-4-5"}"#);
    let end = stage
        .attend(stage.meter(&allowed), stage.until_asked())
        .await;
    assert_eq!(end.usage.cost_micros, Some(1_500_000));
}

#[test]
fn a_limit_on_what_an_agent_does_not_tell_is_refused_before_it_starts() {
    let stage = Stage::new();
    let refuses = |budget, tells| {
        let refused = stage.meter(&allowed(budget, tells)).refuses();
        refused.map(|(reason, _)| reason)
    };
    assert_eq!(refuses("1usd", Tells::Nothing), Some(Reason::PriceUnknown));
    assert_eq!(
        refuses("5turns", Tells::Nothing),
        Some(Reason::UsageUnknown)
    );
    assert_eq!(refuses("5turns", Tells::Output), None);
    assert_eq!(refuses("1usd", Tells::Output), Some(Reason::PriceUnknown));
    assert_eq!(refuses("1usd,5turns", Tells::Free), None);
    assert_eq!(refuses("1h,1mb", Tells::Nothing), None);
}

#[tokio::test]
async fn a_usage_file_that_is_half_written_or_nonsense_changes_nothing() {
    let stage = Stage::new();
    let files = Files::new(stage.folder.path());
    for bad in [
        "",
        "{\"turns\": ",
        "7",
        "{\"turns\": -1}",
        "{\"cost_usd\": -2}",
    ] {
        stage.write(bad);
        assert_eq!(files.told(), None, "{bad}");
    }
    stage.write(r#"{"cost_usd": 1e-7, "more": true}"#);
    assert_eq!(files.told().unwrap().usage.cost_micros, Some(1));
    std::fs::remove_file(stage.folder.path().join("usage.json")).unwrap();
    let meter = stage.meter(&allowed("1usd", Tells::File));
    let done = stage
        .attend(meter, async { end(PhaseOutcome::Completed) })
        .await;
    assert_eq!(done.usage, Usage::UNKNOWN);
}

#[tokio::test]
async fn who_cancels_comes_before_what_the_meter_says() {
    let stage = Stage::new();
    let meter = stage.meter(&allowed("1turns", Tells::File));
    stage.interrupt.ask(Interruption::Cancel);
    stage.write(r#"{"turns": 4}"#);
    let end = stage.attend(meter, stage.until_asked()).await;
    assert_eq!(end.outcome, PhaseOutcome::Interrupted(Interruption::Cancel));
    let meter = stage.meter(&allowed("1h", Tells::Nothing));
    let stuck = meter.attend(pending(), &stage.interrupt, &stage.sender);
    let late = tokio::time::timeout(Duration::from_millis(1), stuck).await;
    assert!(late.is_err(), "it waits for the agent");
}

/// An agent whose output tells, which is over its tokens; what it comes to is `end`'s to say.
async fn over_its_tokens(
    stage: &Stage,
    takes_notices: bool,
    end: impl Future<Output = PhaseEnd>,
) -> PhaseEnd {
    let mut allowed = allowed("1000tokens", Tells::Output);
    allowed.metering.takes_notices = takes_notices;
    let meter = stage.meter(&allowed);
    let (gauge, signs) = (meter.gauge(), watch::Sender::default());
    let heard = signs.subscribe();
    let usage = Usage {
        output_tokens: 1_200,
        cost_micros: None,
        ..Usage::NONE
    };
    signs.send_replace(Sign {
        usage: Some(usage),
        ..Sign::default()
    });
    let agent = async {
        tokio::select! {
            end = end => end,
            never = gauge.follow(heard) => match never {},
        }
    };
    stage.attend(meter, agent).await
}

#[test]
fn only_an_agent_that_takes_notices_gets_time_to_end_by_itself() {
    let stage = Stage::new();
    let at_once = |takes_notices, limit| {
        let mut allowed = allowed("1000tokens", Tells::Output);
        allowed.metering.takes_notices = takes_notices;
        let why = Interruption::Budget(limit);
        stage.meter(&allowed).may_interrupt(why, Mark::now())
    };
    assert!(at_once(false, Limit::Tokens));
    assert!(!at_once(true, Limit::Tokens));
    // Time goes on, and so does what it prints.
    assert!(at_once(true, Limit::Time) && at_once(true, Limit::Output));
}

#[tokio::test]
async fn an_agent_that_takes_no_notices_is_asked_to_end_at_once() {
    let stage = Stage::new();
    let end = over_its_tokens(&stage, false, stage.until_asked()).await;
    let stopped = PhaseOutcome::Interrupted(Interruption::Budget(Limit::Tokens));
    assert_eq!(end.outcome, stopped);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_was_handed_the_last_notice_was_ended_by_it() {
    let stage = Stage::new();
    let notice = stage.folder.path().join("notice.json");
    let taken = async {
        while std::fs::rename(&notice, stage.folder.path().join("given")).is_err() {
            tokio::task::yield_now().await;
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        end(PhaseOutcome::Completed)
    };
    let ended = over_its_tokens(&stage, true, taken).await;
    let given = stage.read("given");
    assert_eq!(given["continue"], false);
    let stopped = PhaseOutcome::Interrupted(Interruption::Budget(Limit::Tokens));
    assert_eq!(ended.outcome, stopped);
    assert!(
        ended.message.contains("budget of tokens is used up"),
        "{}",
        ended.message
    );

    // One that came to its end before it saw the notice is done.
    let stage = Stage::new();
    let seen = async {
        while !stage.folder.path().join("notice.json").exists() {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        end(PhaseOutcome::Completed)
    };
    let ended = over_its_tokens(&stage, true, seen).await;
    assert_eq!(ended.outcome, PhaseOutcome::Completed);
}
