//! People: they file tasks with the program's own verbs, cancel some, and answer what they are asked.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use shraga_core::status::TaskStatus;
use tokio::sync::watch;

use crate::agents::Kind;
use crate::clock;
use crate::place::Place;
use crate::watch::Task;

/// Of a hundred tasks, how many are canceled some seconds after they were filed.
const CANCELED_OF_100: u32 = 8;

/// How long a verb may take before its answer counts as lost.
const VERB_SECONDS: u64 = 60;

/// How a person reaches the store.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) token_file: String,
}

/// What was filed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filed {
    /// Tasks that the store acknowledged: name to identity, and whose it is.
    pub(crate) tasks: BTreeMap<String, Filing>,
    /// Names under which a task may or may not have been filed: the answer was lost.
    pub(crate) doubtful: Vec<String>,
    /// Names of those that a person asked to cancel, with success.
    pub(crate) canceled: Vec<String>,
}

/// One filed task.
#[derive(Clone, Debug)]
pub(crate) struct Filing {
    pub(crate) id: String,
    pub(crate) person: Person,
}

/// Everybody who files tasks.
#[derive(Clone, Debug)]
pub(crate) struct People {
    pub(crate) place: Place,
    pub(crate) url: String,
    pub(crate) all: Vec<Person>,
}

impl People {
    /// Files `count` tasks over `seconds`.
    pub(crate) async fn file(&self, count: u32, seconds: f64, mut dice: Rng) -> Result<Filed> {
        let mut filed = Filed::default();
        let begun = clock::now();
        let mut wishes: Vec<(f64, String)> = Vec::new();
        for number in 0..count {
            let due = begun + seconds * f64::from(number) / f64::from(count);
            clock::pause(due - clock::now()).await;
            let kind = Kind::of_die(dice.u32(..100));
            let person = self.all[dice.usize(..self.all.len())].clone();
            let takes = dice.u32(2..12);
            let canceled = dice.u32(..100) < CANCELED_OF_100;
            if let Some((name, id)) = self.submit(number, kind, &person, takes, &mut filed).await {
                if canceled {
                    wishes.push((clock::now() + 6.0 * dice.f64(), name.clone()));
                }
                filed.tasks.insert(name, Filing { id, person });
            }
            let now = clock::now();
            let (due, later) = wishes.into_iter().partition(|(at, _)| *at <= now);
            wishes = later;
            self.cancel(due, &mut filed).await;
        }
        self.cancel(wishes, &mut filed).await;
        Ok(filed)
    }

    /// Files one task; when its answer is lost, another under another name, until one is acknowledged.
    async fn submit(
        &self,
        number: u32,
        kind: Kind,
        person: &Person,
        takes: u32,
        filed: &mut Filed,
    ) -> Option<(String, String)> {
        let repository = self.place.repository().to_string_lossy().into_owned();
        for again in 0..20 {
            let name = format!("{number:04}-{}-{again}", kind.name());
            let prompt = format!("seconds={takes}");
            let mut args = vec!["submit", &prompt, "--name", &name, "--agent", kind.name()];
            if kind == Kind::Committer {
                args.extend(["--repo", &repository]);
            }
            match self.verb(person, &args).await {
                Some((0, printed)) => return Some((name, printed.trim().to_owned())),
                Some(_) | None => filed.doubtful.push(name),
            }
            clock::pause(1.0).await;
        }
        None
    }

    async fn cancel(&self, wishes: Vec<(f64, String)>, filed: &mut Filed) {
        for (_, name) in wishes {
            let Some(filing) = filed.tasks.get(&name) else {
                continue;
            };
            if let Some((0, _)) = self.verb(&filing.person, &["cancel", &filing.id]).await {
                filed.canceled.push(name);
            }
        }
    }

    /// Answers every question that appears, until the rows are no longer told.
    pub(crate) async fn answer(&self, mut rows: watch::Receiver<Vec<Task>>) -> u32 {
        let mut answered = 0;
        while rows.changed().await.is_ok() {
            let waiting =
                |row: &&Task| !row.is_mirror() && row.status() == Some(TaskStatus::WaitingForInput);
            let ids: Vec<String> = rows
                .borrow_and_update()
                .iter()
                .filter(waiting)
                .map(|row| row.id.clone())
                .collect();
            for id in ids {
                for person in &self.all {
                    let said = self
                        .verb(person, &["answer", &id, "the answer is 42"])
                        .await;
                    if matches!(said, Some((0, _))) {
                        answered += 1;
                        break;
                    }
                }
            }
        }
        answered
    }

    /// What a verb said that did not succeed, for whoever looks into the folder.
    fn note(&self, args: &[&str], output: &std::process::Output) {
        let log = self.place.root().join("people.log");
        let log = std::fs::File::options().create(true).append(true).open(log);
        let said = String::from_utf8_lossy(&output.stderr);
        let line = format!(
            "{} {args:?} {}: {}\n",
            clock::now(),
            output.status,
            said.trim()
        );
        let _ = log.and_then(|mut log| std::io::Write::write_all(&mut log, line.as_bytes()));
    }

    /// Runs a verb as `person`; its exit code and what it printed, `None` when it took too long.
    async fn verb(&self, person: &Person, args: &[&str]) -> Option<(i32, String)> {
        let at = ["--url", &self.url, "--token-file", &person.token_file];
        let mut command = self.place.command("people", &[args, &at].concat()).ok()?;
        let output =
            tokio::time::timeout(Duration::from_secs(VERB_SECONDS), command.output()).await;
        let output = output.ok()?.ok()?;
        if !output.status.success() {
            self.note(args, &output);
        }
        Some((
            output.status.code()?,
            String::from_utf8_lossy(&output.stdout).into_owned(),
        ))
    }
}
