use shraga_core::ids::{Attempt, Etag, UserId, WorkerId};
use shraga_core::ledger::Allowance;
use shraga_core::machine::{Machine, MachineName, ProviderKind, Record, Serves};
use shraga_core::status::WorkerState;
use shraga_core::time::Span;
use shraga_core::usage::{Spent, Usage};

use uuid::Uuid;

use super::*;

fn on(text: &str) -> Day {
    day(text).unwrap()
}

fn part(at: &str, cost_micros: Option<u64>, tokens: u64) -> Part {
    Part {
        day: on(at),
        spent: Amount::of(cost_micros, tokens),
    }
}

fn bill(task: &str, user: &str, agent: &str, parts: Vec<Part>) -> Bill {
    Bill {
        task: task.to_owned(),
        name: format!("name of {task}"),
        user: user.to_owned(),
        email: Some(format!("{user}@example.com")),
        agent: agent.to_owned(),
        parts,
        places: Vec::new(),
    }
}

fn host(number: u128) -> WorkerId {
    WorkerId::new(Uuid::from_u128(number))
}

/// Machine `number`, which ran for this many minutes.
fn machine(number: u128, provider: ProviderKind, slots: u32, minutes: i64) -> Machine {
    let serves = Serves::Person(UserId::new(Uuid::from_u128(number)));
    let name = MachineName::of("box", UserId::new(Uuid::nil()), serves, 1);
    let record = Record {
        up: Span::mins(minutes),
        ..Record::wanted(provider, name, serves, Timestamp::default())
    };
    Machine {
        worker: host(number),
        etag: Etag::new("1"),
        owner: UserId::new(Uuid::from_u128(number)),
        state: WorkerState::Ready,
        slots,
        boot: None,
        last_seen: None,
        drained: false,
        record,
    }
}

fn paid(machines: Vec<Machine>, dollars: Option<u64>) -> Paid {
    let price = |provider| match provider {
        ProviderKind::DevBox => dollars.map(|it| it * 1_000_000),
        ProviderKind::Process => Some(0),
    };
    Paid::of(price, machines, Timestamp::default())
}

fn bills() -> Vec<Bill> {
    vec![
        bill(
            "t1",
            "ann",
            "claude",
            vec![
                part("2026-01-30", Some(1_000_001), 10),
                part("2026-01-31", Some(200_000), 5),
            ],
        ),
        bill("t2", "ann", "shell", vec![part("2026-01-31", None, 7)]),
        bill(
            "t3",
            "bob",
            "claude",
            vec![part("2026-02-01", Some(3_000_000), 0)],
        ),
    ]
}

/// Key, tasks, millionths of a dollar, unknown, tokens.
fn sums(by: By, since: Option<&str>) -> Vec<(String, usize, u64, u64, u64)> {
    let report = Report::of(&bills(), by, since.map(on), &Paid::default());
    let lines = report.lines.iter().chain([&report.total]);
    lines
        .map(|it| {
            let Amount { sum, unknown } = it.spent;
            let key = it.key.clone();
            (key, it.tasks.len(), sum.cost_micros, unknown, sum.tokens)
        })
        .collect()
}

fn line(
    key: &str,
    tasks: usize,
    micros: u64,
    unknown: u64,
    tokens: u64,
) -> (String, usize, u64, u64, u64) {
    (key.to_owned(), tasks, micros, unknown, tokens)
}

#[test]
fn each_key_has_its_sum_and_the_dearest_comes_first() {
    let total = line("", 3, 4_200_001, 1, 22);
    assert_eq!(
        sums(By::User, None),
        [
            line("bob", 1, 3_000_000, 0, 0),
            line("ann", 2, 1_200_001, 1, 22),
            total.clone()
        ]
    );
    assert_eq!(
        sums(By::Agent, None),
        [
            line("claude", 2, 4_200_001, 0, 15),
            line("shell", 1, 0, 1, 7),
            total.clone()
        ]
    );
    assert_eq!(
        sums(By::Task, None),
        [
            line("t3", 1, 3_000_000, 0, 0),
            line("t1", 1, 1_200_001, 0, 15),
            line("t2", 1, 0, 1, 7),
            total
        ]
    );
}

#[test]
fn days_come_in_order_and_a_task_counts_on_each_of_its_days() {
    assert_eq!(
        sums(By::Day, None),
        [
            line("2026-01-30", 1, 1_000_001, 0, 10),
            line("2026-01-31", 2, 200_000, 1, 12),
            line("2026-02-01", 1, 3_000_000, 0, 0),
            line("", 3, 4_200_001, 1, 22),
        ]
    );
}

#[test]
fn what_was_spent_before_the_day_asked_for_is_left_out() {
    assert_eq!(
        sums(By::User, Some("2026-01-31")),
        [
            line("bob", 1, 3_000_000, 0, 0),
            line("ann", 2, 200_000, 1, 12),
            line("", 3, 3_200_000, 1, 12),
        ]
    );
    assert_eq!(sums(By::User, Some("2026-02-02")), [line("", 0, 0, 0, 0)]);
}

#[test]
fn a_sum_says_how_much_of_it_nobody_knows() {
    let known = Amount::of(Some(1_200_000), 0);
    let unknown = Amount::of(None, 9);
    assert_eq!(known.text(), "$1.20");
    assert_eq!(unknown.text(), "unknown");
    assert_eq!(
        known.plus(unknown).plus(unknown).text(),
        "$1.20 + 2 unknown"
    );
    assert_eq!(Amount::of(Some(0), 0).text(), "$0.00");
    let report = Report::of(&bills(), By::Agent, None, &Paid::default()).json();
    assert_eq!(report["rows"][0]["cost_usd"], 4.200_001);
    assert_eq!(report["rows"][1]["cost_usd"], Value::Null);
    assert_eq!(report["rows"][1]["unknown"], 1);
}

#[test]
fn a_ledger_counts_by_day_with_what_the_running_attempt_noted() {
    let spent = |cost_micros| Spent {
        usage: Usage {
            input_tokens: 4,
            cost_micros,
            ..Usage::NONE
        },
        ran: Span::ZERO,
    };
    let given = on("2026-01-31");
    let ledger = Ledger::default()
        .close(Attempt(1), host(1), spent(Some(5)), on("2026-01-30"))
        .close(Attempt(2), host(1), spent(None), given)
        .give(Attempt(3), host(1), given, Allowance::default());
    let ended = [part("2026-01-30", Some(5), 4), part("2026-01-31", None, 4)];
    assert_eq!(of_ledger(&ledger), ended);
    let running = ledger.note(Attempt(3), spent(Some(6)));
    assert_eq!(of_ledger(&running)[2], part("2026-01-31", Some(6), 4));
}

#[test]
fn without_a_ledger_the_last_attempts_output_counts() {
    let text = r#"{"attempt": 1, "cost_usd_micros": 42, "tokens": 3}"#;
    let day = on("2026-01-31");
    assert_eq!(of_output(text, day), [part("2026-01-31", Some(42), 3)]);
    assert_eq!(of_output("not JSON", day), [part("2026-01-31", None, 0)]);
}

#[test]
fn only_days_are_days() {
    for text in [
        "2026-02-30",
        "today",
        "2026-1-1",
        "",
        "2026-01-31T00:00:00Z",
    ] {
        assert!(day(text).is_err(), "{text}");
    }
}

#[test]
fn machines_time_is_counted_for_the_tasks_that_used_it_and_idle_time_apart() {
    use ProviderKind::{DevBox, Process};
    let mut bills = bills();
    let at = |number, minutes| Place {
        worker: host(number),
        ran: Span::mins(minutes),
    };
    // t1 ran on two machines, one of them with two slots; t3 on a process, which costs nothing.
    bills[0].places = vec![at(1, 30), at(2, 30)];
    bills[1].places = vec![at(2, 60)];
    bills[2].places = vec![at(3, 60)];
    let machines = || {
        vec![
            machine(1, DevBox, 1, 60),
            machine(2, DevBox, 2, 60),
            machine(3, Process, 1, 90),
        ]
    };
    let fleet = paid(machines(), Some(2));
    let report = Report::of(&bills, By::Task, None, &fleet);
    let json = report.json();
    let row = |task: &str| {
        let mut rows = json["rows"].as_array().unwrap().iter();
        rows.find(|row| row["key"] == task).unwrap()["machines"].clone()
    };
    assert_eq!(row("t1"), json!({"seconds": 45 * 60, "cost_usd": 1.5}));
    assert_eq!(row("t2"), json!({"seconds": 30 * 60, "cost_usd": 1.0}));
    assert_eq!(row("t3"), json!({"seconds": 0, "cost_usd": 0.0}));
    assert_eq!(
        json["machines"],
        json!({"seconds": 7200, "cost_usd": 4.0, "idle": {"seconds": 45 * 60, "cost_usd": 1.5}})
    );
    assert_eq!(
        report.idle.unwrap().words(),
        "machines: $4.00 for 2h 0m; of it $1.50 for 45m 0s that no task used"
    );
    let by_user = Report::of(&bills, By::User, None, &fleet).json();
    assert_eq!(by_user["rows"][1]["machines"]["cost_usd"], 2.5, "ann's");
    let unknown = paid(machines(), None);
    let json = Report::of(&bills, By::Task, None, &unknown).json();
    assert_eq!(json["machines"]["cost_usd"], Value::Null);
}

#[test]
fn machines_are_not_told_by_day_nor_where_they_cost_nothing() {
    let fleet = paid(vec![machine(1, ProviderKind::DevBox, 1, 60)], Some(1));
    let by_day = Report::of(&bills(), By::Day, None, &fleet).json();
    assert_eq!(by_day["rows"][0].get("machines"), None);
    assert_eq!(by_day["machines"]["idle"]["cost_usd"], 1.0);
    let since = Report::of(&bills(), By::Task, Some(on("2026-01-31")), &fleet).json();
    assert_eq!(
        (since.get("machines"), since["rows"][0].get("machines")),
        (None, None)
    );
    let free = paid(vec![machine(1, ProviderKind::Process, 1, 60)], None);
    assert!(free.is_nothing());
}
