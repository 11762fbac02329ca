//! The demo's agent: this same program, started by a worker like any other agent.
//!
//! It reads a prompt, does what its `action:` line says in a clone of the repository that its
//! `repository:` line names, prints progress and, last, the result.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::git;
use crate::clock;
use crate::config::env;
use crate::exit::{Exit, Failure};

/// Below which number primes are searched for, and in how many steps.
const PRIMES_BELOW: u32 = 200_000;
const PRIME_STEPS: u32 = 20;

/// Between two steps of the long task: slow enough to watch, quick enough to bear.
const STEP_PAUSE: Duration = Duration::from_millis(200);

/// Between two looks of the task that watches.
const WATCH_PAUSE: Duration = Duration::from_millis(400);

/// The longest prompt it reads.
const PROMPT_MAX_BYTES: u64 = 64 * 1024;

/// The demo's agent (started by workers)
#[derive(Debug, Args)]
pub struct DemoAgent {}

/// What the agent was asked to do.
struct Order {
    action: String,
    repository: String,
    task: String,
    attempt: u32,
}

impl DemoAgent {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        crate::runtime()?.block_on(work(&Order::read()?))
    }
}

impl Order {
    fn read() -> Result<Self, Failure> {
        let mut prompt = String::new();
        std::io::stdin()
            .lock()
            .take(PROMPT_MAX_BYTES)
            .read_to_string(&mut prompt)?;
        let line = |name: &str| {
            prompt
                .lines()
                .find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
                .ok_or_else(|| {
                    Failure::new(Exit::Usage, format!("the prompt has no line `{name} ...`"))
                        .hint("this agent only knows the demo's tasks")
                })
        };
        Ok(Self {
            action: line("action:")?,
            repository: line("repository:")?,
            task: env::lookup("SHRAGA_TASK_ID").unwrap_or_else(|| "unknown".to_owned()),
            attempt: env::lookup("SHRAGA_ATTEMPT")
                .and_then(|text| text.parse().ok())
                .unwrap_or(1),
        })
    }
}

async fn work(order: &Order) -> Result<Exit, Failure> {
    let dir = std::env::current_dir()?;
    let clone = git::checkout(&order.repository, &dir, &order.task).await?;
    match order.action.as_str() {
        "hello" => {
            let text = format!("Hello from task {}\n", order.task);
            std::fs::write(clone.join("hello.txt"), text)?;
            commit(order, &clone, "Say hello").await
        }
        "count" => count(&clone).await,
        "check" => check(&clone).await,
        "changelog" => changelog(order, &clone).await,
        "primes" => primes(order, &clone).await,
        "watch" => watch(&clone).await,
        other => Err(Failure::new(
            Exit::Usage,
            format!("no such action: {other}"),
        )),
    }
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

async fn commit(order: &Order, clone: &Path, message: &str) -> Result<Exit, Failure> {
    let commit = git::publish(clone, &order.task, message).await?;
    say(&format!("committed {commit}: {message}"))?;
    Ok(Exit::Done)
}

async fn count(clone: &Path) -> Result<Exit, Failure> {
    let files = git::git(clone, &["ls-files"]).await?;
    let (mut lines, mut number) = (0, 0);
    for file in files.lines() {
        let text = std::fs::read_to_string(clone.join(file))?;
        say(&format!("{file}: {} lines", text.lines().count()))?;
        lines += text.lines().count();
        number += 1;
    }
    say(&format!("{lines} lines in {number} files"))?;
    Ok(Exit::Done)
}

async fn check(clone: &Path) -> Result<Exit, Failure> {
    git::git(clone, &["fsck", "--strict", "--no-progress"]).await?;
    let commits = git::git(clone, &["rev-list", "--count", "--all"]).await?;
    say(&format!("no problems found, {commits} commits"))?;
    Ok(Exit::Done)
}

async fn changelog(order: &Order, clone: &Path) -> Result<Exit, Failure> {
    if order.attempt == 1 {
        eprintln_line("the history is not to be had just now");
        return Ok(Exit::TryAgain);
    }
    let history = git::git(clone, &["log", "--format=- %s"]).await?;
    std::fs::write(
        clone.join("CHANGELOG.md"),
        format!("# Changes\n\n{history}\n"),
    )?;
    commit(order, clone, "Write the changelog").await
}

async fn primes(order: &Order, clone: &Path) -> Result<Exit, Failure> {
    let never = CancellationToken::new();
    let mut found: Vec<u32> = Vec::new();
    for step in 1..=PRIME_STEPS {
        let below = PRIMES_BELOW / PRIME_STEPS * step;
        let from = below - PRIMES_BELOW / PRIME_STEPS;
        for number in from.max(2)..below {
            let has_divisor = found
                .iter()
                .take_while(|&&prime| prime * prime <= number)
                .any(|&prime| number % prime == 0);
            if !has_divisor {
                found.push(number);
            }
        }
        say(&format!(
            "step {step} of {PRIME_STEPS}: {} primes below {below}",
            found.len()
        ))?;
        clock::pause(STEP_PAUSE, &never).await;
    }
    let text: String = found
        .iter()
        .flat_map(|prime| [prime.to_string(), "\n".to_owned()])
        .collect();
    std::fs::write(clone.join("primes.txt"), text)?;
    commit(
        order,
        clone,
        &format!("Write the {} primes below {PRIMES_BELOW}", found.len()),
    )
    .await
}

async fn watch(clone: &Path) -> Result<Exit, Failure> {
    let never = CancellationToken::new();
    for look in 1_u32.. {
        let head = git::git(clone, &["rev-parse", "--short=12", "origin/HEAD"]).await?;
        say(&format!("look {look}: all quiet at {head}"))?;
        clock::pause(WATCH_PAUSE, &never).await;
    }
    Ok(Exit::Done)
}

fn eprintln_line(line: &str) {
    // Nobody listens to standard error: then the exit code alone has to say it.
    writeln!(std::io::stderr(), "{line}").ok();
}
