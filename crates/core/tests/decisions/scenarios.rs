//! Scenario files: a snapshot in words above the line, the expected plans below it.
//!
//! Each file of `tests/scenarios` is one test case. Identities are names; in the plan they are shown
//! as `<name>`, a task's computed mirror as `<name'>` (and `<name''>` for the next identity). On a
//! mismatch the whole actual text is printed: when it is right, it replaces what is below the line.

use std::fs;
use std::path::Path;

use shraga_core::budget::Budget;
use shraga_core::ids::{Attempt, Etag, EventId, MirrorId};
use shraga_core::ledger::{Account, Allowance, Held, Ledger};
use shraga_core::model::{Answer, Mirror, Person, Suspicion, UserTask, Worker};
use shraga_core::plan::{Policy, Snapshot, Watched, all};
use shraga_core::row::{Column, tasks};
use shraga_core::status::TaskStatus;
use shraga_core::time::{Day, Span, Timestamp};
use shraga_core::usage::{Spent, Usage};
use uuid::Uuid;

use crate::build::{boot, held, id, mirror, secs, task, user, worker, worker_id};

const LINE: &str = "----";

#[test]
fn every_scenario_plans_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() > 10, "scenarios are missing");
    let wrong: Vec<String> = files.iter().filter_map(|file| mismatch(file)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What is wrong with a scenario, with the actual text.
fn mismatch(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).unwrap();
    let (given, expected) = text.split_once(LINE).unwrap();
    let actual = Scene::read(given).plans();
    (actual.trim() != expected.trim()).then(|| {
        let name = file.file_name().unwrap().to_string_lossy();
        format!("{name}: the plan is\n\n{LINE}\n{actual}")
    })
}

/// A snapshot under construction, and the names to show.
struct Scene {
    now: Timestamp,
    policy: Policy,
    snapshot: Snapshot,
    names: Vec<(Uuid, String)>,
}

/// A line: its words, and its `key=value` pairs.
struct Line<'a> {
    words: Vec<&'a str>,
    pairs: Vec<(&'a str, String)>,
}

impl<'a> Line<'a> {
    fn read(text: &'a str) -> Self {
        let (mut words, mut pairs) = (Vec::new(), Vec::new());
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) => pairs.push((key, value.replace('_', " "))),
                None => words.push(word),
            }
        }
        Self { words, pairs }
    }

    fn word(&self, at: usize) -> &'a str {
        self.words
            .get(at)
            .unwrap_or_else(|| panic!("a word is missing"))
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|_| panic!("`{text}` is not a number"))
}

fn status(name: &str) -> TaskStatus {
    let all = TaskStatus::ALL.into_iter();
    let mut named = all.filter(|status| status.name() == name);
    named
        .next()
        .unwrap_or_else(|| panic!("`{name}` is not a status"))
}

impl Scene {
    fn read(text: &str) -> Self {
        let mut scene = Self {
            now: secs(100),
            policy: Policy {
                adopts: false,
                ..Policy::default()
            },
            snapshot: Snapshot {
                admin: Some(user("admin")),
                active_complete: true,
                workers_complete: true,
                ..Snapshot::default()
            },
            names: vec![(id("admin"), "admin".to_owned())],
        };
        for line in text
            .lines()
            .map(|line| line.split('#').next().unwrap_or(""))
        {
            if !line.trim().is_empty() {
                scene.add(&Line::read(line));
            }
        }
        scene
    }

    fn add(&mut self, line: &Line<'_>) {
        let snapshot = &mut self.snapshot;
        match line.word(0) {
            "now" => self.now = secs(number(line.word(1))),
            "admin-unknown" => snapshot.admin = None,
            "active-incomplete" => snapshot.active_complete = false,
            "policy" => self.policy(line),
            "worker" => self.worker(line),
            "absent-column" => {
                let named = |column: &&Column| column.name() == line.word(1);
                let column = tasks::ALL.iter().find(named).expect("a column of tasks");
                self.policy.absent.insert(*column);
            }
            "legacy" => {
                snapshot.legacy.push(worker_id(line.word(1)));
                self.name(id(line.word(1)), line.word(1));
            }
            "watched" => self.watched(line),
            "task" => self.task(line),
            "mirror" => self.mirror(line),
            "absent" => {
                let gone = match line.word(1).strip_suffix('\'') {
                    Some(task) => MirrorId::of(self.find(task).id, 0).get(),
                    None => id(line.word(1)),
                };
                self.snapshot.absent.insert(gone);
            }
            "unread-worker" => {
                snapshot.unread_workers.insert(worker_id(line.word(1)));
                self.name(id(line.word(1)), line.word(1));
            }
            "unread-mirror" => {
                let of = self.find(line.word(2)).id;
                self.snapshot.unread_mirrors.insert(of);
            }
            "searched" => {
                let found = self.find(line.word(1)).id;
                self.snapshot.searched.insert(found);
            }
            "stranger" | "unlooked" | "free" | "impostor" | "event" => self.hostile(line),
            "disabled" => snapshot.people.push(Person {
                id: user(line.word(1)),
                disabled: true,
                account: None,
            }),
            "known" => snapshot.people.push(Person {
                id: user(line.word(1)),
                disabled: false,
                account: None,
            }),
            "person" => self.person(line),
            "result" => {
                let row = match line.word(1).strip_suffix('\'') {
                    Some(task) => MirrorId::of(self.find(task).id, 0).get(),
                    None => id(line.word(1)),
                };
                let cells = vec![(tasks::RESULT, line.word(2).into())];
                self.snapshot.carried.insert(row, cells);
            }
            other => panic!("`{other}` is not a kind of line"),
        }
    }

    /// Rows and events of somebody who means no good, and what is known of where they could be.
    fn hostile(&mut self, line: &Line<'_>) {
        match line.word(0) {
            // `stranger TASK` sits at the first identity, `stranger TASK N` at the first N; the others
            // are known to be free.
            "stranger" => {
                let task = self.find(line.word(1)).id;
                let taken = line.words.get(2).map_or(1, |count| number(count));
                for counter in 0..8 {
                    let id = MirrorId::of(task, counter);
                    if counter < taken {
                        self.snapshot.strangers.insert(id, user("eve"));
                    } else {
                        self.snapshot.absent.insert(id.get());
                    }
                }
            }
            "unlooked" => self.snapshot.absent.clear(),
            "free" => {
                let task = self.find(line.word(1)).id;
                let ids = (0..8).map(|counter| MirrorId::of(task, counter).get());
                self.snapshot.absent.extend(ids);
            }
            "impostor" => {
                let mut row = task(line.word(1), "eve", 90);
                row.claims.user = Some(id("ann").to_string());
                row.claims.mirror_of = Some(id(line.word(2)).to_string());
                for (key, value) in &line.pairs {
                    set_task(&mut row, key, value);
                }
                self.name(row.id.get(), line.word(1));
                self.snapshot.impostors.push(row);
            }
            "event" => {
                let mirror = MirrorId::of(self.find(line.word(1)).id, 0);
                let event = EventId::of(mirror, "orchestrator", number(line.word(2)));
                self.snapshot.taken.insert(event);
            }
            other => panic!("`{other}` is not a kind of line"),
        }
    }

    fn name(&mut self, id: Uuid, name: &str) {
        self.names.push((id, name.to_owned()));
    }

    fn find(&self, name: &str) -> UserTask {
        let seen = self.snapshot.tasks.iter();
        let mut seen = seen.filter(|task| task.id.get() == id(name));
        seen.next().cloned().unwrap_or_else(|| task(name, "ann", 0))
    }

    fn policy(&mut self, line: &Line<'_>) {
        for (key, value) in &line.pairs {
            match *key {
                "adopts" => self.policy.adopts = value == "yes",
                "shared" => self.policy.shared = value == "yes",
                "assigns" => self.policy.assigns = value == "yes",
                "events" => self.policy.events = value == "yes",
                "change-sets" => self.policy.change_sets = value == "yes",
                "own-ids" => self.policy.own_ids = value == "yes",
                "user-running" => self.policy.shares.user_running = Some(number(value)),
                "key-running" => self.policy.shares.key_running = number(value),
                "weight" => {
                    let (who, weight) = value.split_once(':').expect("NAME:WEIGHT");
                    let weights = &mut self.policy.shares.weights;
                    weights.insert(user(who), number(weight));
                }
                "key" => {
                    let (key, limit) = value.split_once(':').expect("KEY:LIMIT");
                    let keys = &mut self.policy.shares.keys;
                    keys.insert(key.to_owned(), number(limit));
                }
                "user-day" => self.policy.budget.user_day = allowance(value),
                "day" => self.policy.budget.day = allowance(value),
                "attempt" => self.policy.budget.attempt = allowance(value),
                "accounts" => self.policy.budget.accounts = value == "yes",
                "asks" => self.policy.asks = value == "yes",
                "patience" => self.policy.mirror_patience = Span::secs(number(value)),
                other => panic!("`{other}` is not a policy"),
            }
        }
    }

    /// `person NAME spent=1usd,2tokens held=TASK:ATTEMPT:1usd` as of today; without either she has spent
    /// nothing.
    fn person(&mut self, line: &Line<'_>) {
        let name = line.word(1);
        let mut account = Account::default().on(Day::of(self.now));
        for (key, value) in &line.pairs {
            match *key {
                "spent" => account.spent = allowance(value).sum(),
                "held" => {
                    let parts: Vec<&str> = value.split(':').collect();
                    account.hold(Held {
                        mirror: MirrorId::of(self.find(parts[0]).id, 0),
                        attempt: Attempt(number(parts[1])),
                        sum: allowance(parts[2]).sum(),
                    });
                }
                other => panic!("`{other}` is not a person's key"),
            }
        }
        self.name(id(name), name);
        self.snapshot.people.push(Person {
            id: user(name),
            disabled: false,
            account: Some((Etag::new("u@1"), account)),
        });
    }

    fn worker(&mut self, line: &Line<'_>) {
        let name = line.word(1);
        let mut row = worker(name, 1);
        for (key, value) in &line.pairs {
            set_worker(&mut row, key, value);
        }
        self.name(row.id.get(), name);
        self.snapshot.workers.push(row);
    }

    /// `watched NAME since=SECONDS looks=N beat=SECONDS`: this orchestrator has seen the row as it is since
    /// then, and its last beat since another time.
    fn watched(&mut self, line: &Line<'_>) {
        let id = worker_id(line.word(1));
        let mut rows = self.snapshot.workers.iter();
        let row = rows.find(|row| row.id == id).expect("a worker above");
        let find = |name| line.pairs.iter().find(|(key, _)| *key == name);
        let since = secs(number(&find("since").expect("since=").1));
        let watched = Watched {
            looks: find("looks").map_or(1, |(_, looks)| number(looks)),
            beat_since: find("beat").map_or(since, |(_, beat)| secs(number(beat))),
            ..Watched::go_on(None, row, since)
        };
        self.snapshot.watched.insert(id, watched);
    }

    fn task(&mut self, line: &Line<'_>) {
        let name = line.word(1);
        let mut row = task(name, "ann", 90);
        for (key, value) in &line.pairs {
            match *key {
                "owner" => row.owner = user(value),
                "link" => row.mirror_link = Some(self.link(name, value)),
                _ => set_task(&mut row, key, value),
            }
        }
        self.name(row.id.get(), name);
        self.name(row.owner.get(), "owner");
        self.snapshot.tasks.push(row);
    }

    /// `link=yes` is the computed mirror, anything else a row of that name.
    fn link(&self, task: &str, value: &str) -> String {
        match value {
            "yes" => MirrorId::of(self.find(task).id, 0).to_string(),
            other => id(other).to_string(),
        }
    }

    /// `mirror of TASK`, or `mirror NAME of TASK` for one with another identity.
    fn mirror(&mut self, line: &Line<'_>) {
        let of = line.words.iter().position(|word| *word == "of").unwrap();
        let task = self.find(line.word(of + 1));
        self.name(task.id.get(), line.word(of + 1));
        let mut row = mirror(&task);
        if of == 2 {
            row.id = MirrorId::new(id(line.word(1)));
            self.name(row.id.get(), line.word(1));
        }
        if let Some((_, worker)) = line.pairs.iter().find(|(key, _)| *key == "worker") {
            let find = |name| line.pairs.iter().find(|(key, _)| *key == name);
            let since = find("since").map_or(0, |(_, at)| number(at));
            let boot = find("boot").map(|(_, boot)| boot.as_str());
            row = held(row, worker, boot, since);
        }
        for (key, value) in &line.pairs {
            match *key {
                "ended" => row.ledger = ended(&row.ledger, value, self.now),
                "reserved" => {
                    let day = Day::of(self.now);
                    let attempt = row.shown.attempt;
                    let worker = row.worker().unwrap_or(worker_id("w"));
                    row.ledger = row.ledger.give(attempt, worker, day, allowance(value));
                }
                _ => set_mirror(&mut row, key, value),
            }
        }
        self.snapshot.mirrors.push(row);
    }

    /// All plans, with names for identities.
    fn plans(&self) -> String {
        let plans = all(&self.snapshot, &self.policy, self.now);
        let mut text: String = plans.iter().map(ToString::to_string).collect();
        let computed = self.names.iter().flat_map(|(id, name)| {
            let of = |counter| MirrorId::of(shraga_core::ids::TaskId::new(*id), counter).get();
            [(of(0), format!("{name}'")), (of(1), format!("{name}''"))]
        });
        let names: Vec<_> = self.names.iter().cloned().chain(computed).collect();
        for (id, name) in &names {
            text = text.replace(&id.to_string(), &format!("<{name}>"));
        }
        for (id, name) in &names {
            let short = &id.hyphenated().to_string()[..18];
            text = text.replace(short, &format!("<{name}>"));
        }
        text
    }
}

/// Money and tokens, as a budget says them.
fn allowance(text: &str) -> Allowance {
    let budget: Budget = text.parse().unwrap();
    Allowance {
        cost_micros: budget.cost_micros,
        tokens: budget.tokens,
    }
}

/// `ATTEMPT:1usd,2tokens` of an attempt that ended today.
fn ended(ledger: &Ledger, text: &str, now: Timestamp) -> Ledger {
    let (attempt, amount) = text.split_once(':').expect("ATTEMPT:AMOUNT");
    let sum = allowance(amount).sum();
    let usage = Usage {
        input_tokens: sum.tokens,
        cost_micros: Some(sum.cost_micros),
        ..Usage::NONE
    };
    let ran = Span::secs(1);
    ledger.close(
        Attempt(number(attempt)),
        worker_id("w"),
        Spent { usage, ran },
        Day::of(now),
    )
}

fn set_worker(row: &mut Worker, key: &str, value: &str) {
    match key {
        "slots" => row.slots = number(value),
        "pool" => row.pool = value.parse().unwrap(),
        "owner" => row.owner = user(value),
        "state" => row.state = value.parse().unwrap(),
        "labels" => row.labels = value.split(',').map(str::to_owned).collect(),
        "agents" => row.agents = value.split(',').map(str::to_owned).collect(),
        "seen" => row.last_seen = Some(secs(number(value))),
        "drained" => row.drained = Some(secs(number(value))),
        "boot" => row.boot = Some(boot(value)),
        "beat" => row.beat = number(value),
        // `BEAT@SECONDS`, as they stand in the columns.
        "asked" => row.suspicion = Some(question(value)),
        "echo" => row.echo = Some(question(value).to_string()),
        "assigned" => row.last_assigned = Some(secs(number(value))),
        other => panic!("`{other}` is not a worker's key"),
    }
}

fn question(value: &str) -> Suspicion {
    let (beat, at) = value.split_once('@').expect("a question is BEAT@SECONDS");
    Suspicion {
        beat: number(beat),
        at: secs(number(at)),
    }
}

fn set_task(row: &mut UserTask, key: &str, value: &str) {
    match key {
        "created" => {
            row.created = secs(number(value));
            row.modified = row.created;
        }
        "modified" => row.modified = secs(number(value)),
        "status" => row.status = status(value),
        "name" => value.clone_into(&mut row.name),
        "email" => row.email = Some(value.to_owned()),
        "priority" => row.priority = number(value),
        "not-before" => row.not_before = Some(secs(number(value))),
        "agent" => row.wants.agent = Some(value.to_owned()),
        "budget" => row.wants.budget = value.parse().unwrap(),
        "unclear" => row.wants.unclear = Some(value.to_owned()),
        "key" => row.wants.key = Some(value.to_owned()),
        "labels" => row.wants.labels = value.split(',').map(str::to_owned).collect(),
        "message" => row.shown.message = Some(value.to_owned()),
        "reason" => row.shown.reason = Some(value.to_owned()),
        "finished" => row.shown.finished = Some(secs(number(value))),
        "worker" => row.shown.worker = Some(worker_id(value)),
        "machine" => row.machine = Some(value.to_owned()),
        "claims-user" => row.claims.user = Some(id(value).to_string()),
        "claims-mirror-of" => row.claims.mirror_of = Some(id(value).to_string()),
        "answers" => {
            row.answer = Some(Answer {
                question: value.to_owned(),
                asked: None,
                text: Some("yes".to_owned()),
            });
        }
        "blank" => {
            row.answer = Some(Answer {
                question: value.to_owned(),
                asked: None,
                text: Some(" ".to_owned()),
            });
        }
        other => panic!("`{other}` is not a task's key"),
    }
}

fn set_mirror(row: &mut Mirror, key: &str, value: &str) {
    match key {
        "worker" | "boot" | "since" => {}
        "status" => row.status = status(value),
        "owner" => row.owner = user(value),
        "user" => row.user = (value != "none").then(|| user(value)),
        "created" => row.created = secs(number(value)),
        "modified" => row.modified = secs(number(value)),
        "rank" => row.rank = secs(number(value)),
        "phase" => row.phase = Some(value.parse().unwrap()),
        "losses" => row.losses = number(value),
        "attempt" => {
            row.shown.attempt = Attempt(number(value));
        }
        "not-before" => row.not_before = Some(secs(number(value))),
        "agent" => row.wants.agent = Some(value.to_owned()),
        "key" => row.wants.key = Some(value.to_owned()),
        "labels" => row.wants.labels = value.split(',').map(str::to_owned).collect(),
        "message" => row.shown.message = Some(value.to_owned()),
        "reason" => row.shown.reason = Some(value.to_owned()),
        "finished" => row.shown.finished = Some(secs(number(value))),
        "etag" => row.etag = Etag::new(value),
        "asks" => {
            row.answer = Some(Answer {
                question: value.to_owned(),
                asked: Some("which one?".to_owned()),
                text: None,
            });
        }
        other => panic!("`{other}` is not a mirror's key"),
    }
}
