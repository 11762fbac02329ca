//! The course of a soak: start all, let it run under torment, heal, wait, stop, judge, tell.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use fastrand::Rng;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::clock;
use crate::judge::{Evidence, Verdict};
use crate::people::Filed;
use crate::place::Place;
use crate::scene::Scene;
use crate::watch as look;
use crate::{processes, records, tell};

/// How much the folder of a soak may hold, per task and beside that: a chatty agent's output in three places.
const BYTES_PER_TASK: u64 = 4 * 1024 * 1024;
const BYTES_BESIDE: u64 = 256 * 1024 * 1024;

/// Runs a soak as the arguments have it.
pub(crate) fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let folder = tempfile::Builder::new().prefix("shraga-soak-").tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mark = folder.path().canonicalize()?.to_string_lossy().into_owned();
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = soak(&args, folder.path().to_owned()) => outcome,
            () = interrupted() => bail!("interrupted"),
        }
    });
    drop(runtime);
    processes::end(&processes::marked(&mark));
    let well = matches!(outcome, Ok(true));
    if args.keep || !well {
        println!("soak: everything is kept in {}", folder.keep().display());
    }
    outcome?;
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Somebody wants it to end now.
async fn interrupted() {
    let mut term = signal(SignalKind::terminate()).ok();
    let asked = async {
        match &mut term {
            Some(term) => term.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = asked => {}
    }
}

async fn soak(args: &Args, root: PathBuf) -> Result<bool> {
    let seconds = args.minutes as f64 * 60.0;
    println!(
        "soak: {} min, {} tasks, seed {}, in {}",
        args.minutes,
        args.tasks,
        args.seed,
        root.display()
    );
    let mut dice = Rng::with_seed(args.seed);
    let place = Place::lay_out(&root, &args.shraga).await?;
    let mut scene = Scene::set(place, args, &mut dice).await?;
    let (teller, rows) = watch::channel(Vec::new());
    let over = CancellationToken::new();
    let looks = tokio::spawn(look::watch(
        scene.address.clone(),
        scene.admin.clone(),
        scene.place.mark().to_owned(),
        teller,
        over.clone(),
    ));
    let answering = {
        let (people, rows) = (scene.people.clone(), rows.clone());
        tokio::spawn(async move { people.answer(rows).await })
    };
    let telling = tokio::spawn(tell::progress(
        scene.begun,
        rows.clone(),
        scene.story.clone(),
    ));

    let stop = CancellationToken::new();
    let mut torments = JoinSet::new();
    for victim in scene.victims.drain(..) {
        torments.spawn(victim.torment(stop.clone()));
    }
    let filing = scene.people.file(args.tasks, seconds, dice.fork());
    let filed = tokio::select! {
        filed = filing => filed?,
        Some(ended) = torments.join_next() => { ended??; bail!("a tormentor ended before its time") }
    };
    stop.cancel();
    while let Some(victim) = torments.join_next().await {
        scene.victims.push(victim??);
    }
    println!(
        "soak: {} all is healed; waiting for what is open",
        clock::since(scene.begun, clock::now())
    );
    let calm = scene.calm(&filed, rows.clone()).await?;
    over.cancel();
    let seen = looks.await??;
    telling.abort();
    let answered = answering.await?;
    judge(scene, args, filed, seen, answered, calm).await
}

/// Stops everything and holds what happened against the promises; tells whether all were kept.
async fn judge(
    mut scene: Scene,
    args: &Args,
    filed: Filed,
    seen: look::Seen,
    answered: u32,
    calm: f64,
) -> Result<bool> {
    let address = *scene.address.borrow();
    let events = look::events(address, &scene.admin).await?;
    let workers = look::workers(address, &scene.admin).await?;
    scene.stop().await;
    let evidence = Evidence {
        begun: scene.begun,
        filed,
        seen,
        events,
        runs: records::read(&scene.place.records()),
        troubles: scene.story.troubles(),
        workers,
    };
    let mut verdicts = evidence.judge();
    verdicts.push(nothing_left(&scene.place, args).await);
    verdicts.push(Verdict {
        promise: "daemons end only when they are asked to",
        looked_at: format!("{} faults", evidence.troubles.len()),
        broken: scene.story.all_broken(),
    });
    tell::table(&evidence, &verdicts, answered, calm, scene.place.bytes());
    Ok(verdicts.iter().all(|verdict| verdict.broken.is_empty()))
}

/// No process, no unsent report, no flood of files.
async fn nothing_left(place: &Place, args: &Args) -> Verdict {
    let mark = place.mark();
    clock::until(5.0, || processes::marked(mark).is_empty()).await;
    let mut broken: Vec<String> = processes::marked(mark)
        .iter()
        .map(|found| format!("process {} still runs: {}", found.pid, found.line))
        .collect();
    let mut reports = 0;
    for entry in walk(place.root()) {
        let in_outbox = entry
            .parent()
            .is_some_and(|folder| folder.ends_with("outbox"));
        if in_outbox {
            reports += 1;
            broken.push(format!("an outbox still holds {}", entry.display()));
        }
    }
    let (bytes, most) = (
        place.bytes(),
        BYTES_BESIDE + BYTES_PER_TASK * u64::from(args.tasks),
    );
    if bytes > most {
        broken.push(format!("the folder holds {bytes} bytes, more than {most}"));
    }
    Verdict {
        promise: "nothing is left behind",
        looked_at: format!("{reports} unsent reports, {} MB on disk", bytes / 1_000_000),
        broken,
    }
}

/// Files below a folder; links are not followed.
fn walk(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(walk(&entry.path())),
            _ => files.push(entry.path()),
        }
    }
    files
}
