//! What `shraga update` says of the fleet, and does to it: the part that needs a store.

use std::time::Duration;

use shraga_core::update::Release;
use shraga_dataverse::Role;
use shraga_update::{forgive, names};

use crate::cli::Context;
use crate::display::clean::one_line;
use crate::exit::{Exit, Failure};
use crate::roles::session::{Caller, Session};
use crate::roles::update::root;
use crate::tasks::fleet::{self, Known, Wished};

/// How long `--check` waits for a store, which it can do without. A sign-in in a browser would take longer.
const WITHIN: Duration = Duration::from_secs(5);

/// The fleet's row, where a store is near that tells it.
pub(super) async fn near(context: &Context) -> Option<Known> {
    let read = async {
        let session = Session::open(&context.config, Caller::Admin).await.ok()?;
        fleet::read(&session.client).await.ok()
    };
    tokio::time::timeout(WITHIN, read).await.ok().flatten()
}

pub(super) async fn pause(context: &Context, why: Option<&str>) -> Result<Exit, Failure> {
    let session = open(context).await?;
    let why = why.map(one_line);
    let wished = fleet::pause(&session, &context.config, why.as_deref()).await?;
    say(context, &wished, || {
        "nobody takes a release; `shraga update --resume` goes on".to_owned()
    })
}

pub(super) async fn resume(context: &Context) -> Result<Exit, Failure> {
    let session = open(context).await?;
    let wished = fleet::resume(&session).await?;
    say(context, &wished, || {
        "orchestrators go on with it at their next look".to_owned()
    })
}

/// Lifts what is said against a release, in the fleet's row and in the installation that is here.
pub(super) async fn retry(context: &Context, named: Option<&str>) -> Result<Exit, Failure> {
    let session = open(context).await?;
    let meant = |release: &Release| named.is_none_or(|name| names(release, name));
    let (wished, lifted) = fleet::retry(&session, meant).await?;
    let here = match root(&context.config) {
        Some(root) => forgive(&root, &meant)
            .await
            .map_err(|error| Failure::from_error(Exit::Conflict, error))?,
        None => None,
    };
    let changed = lifted.is_some() || here.is_some();
    if context.output.json {
        let (Wished::Done(known) | Wished::Already(known)) = &wished;
        let mut object = fleet::json(&known.fleet);
        object["changed"] = changed.into();
        object["lifted"] = lifted.map(|it| it.to_string()).into();
        object["forgiven_here"] = here.map(|it| it.to_string()).into();
        context.output.object(&object)?;
        return Ok(Exit::Done);
    }
    let of_all = lifted.map(|it| format!("{it} may be tried again"));
    let of_this = here.map(|it| format!("{it} may be tried again in this installation"));
    let nothing = (!changed).then(|| match named {
        Some(name) => format!("{name} is not refused"),
        None => "nothing is refused".to_owned(),
    });
    for line in [of_all, of_this, nothing].into_iter().flatten() {
        context.output.line(one_line(&line))?;
    }
    if changed {
        let said = "orchestrators begin with it at their next look, if the branch still has it; a machine that \
                    failed with it forgets that with `shraga update --retry` there";
        context.output.talk(said);
    }
    Ok(Exit::Done)
}

async fn open(context: &Context) -> Result<Session, Failure> {
    let session = Session::open(&context.config, Caller::Admin).await?;
    if session.role() == Role::Admin {
        return Ok(session);
    }
    let message = "only an admin decides about updates of all";
    Err(Failure::new(Exit::Authentication, message).hint("give an admin's token with --token-file"))
}

fn say(context: &Context, wished: &Wished, next: impl Fn() -> String) -> Result<Exit, Failure> {
    let (known, changed) = match wished {
        Wished::Done(known) => (known, true),
        Wished::Already(known) => (known, false),
    };
    if context.output.json {
        let mut object = fleet::json(&known.fleet);
        object["changed"] = changed.into();
        context.output.object(&object)?;
        return Ok(Exit::Done);
    }
    let line = match (&known.fleet.pause, changed) {
        (Some(_), true) => "updates are paused".to_owned(),
        (Some(pause), false) => format!("already: {}", fleet::paused(pause, known.now)),
        (None, true) => "updates go on".to_owned(),
        (None, false) => "updates are not paused".to_owned(),
    };
    context.output.line(one_line(&line))?;
    if changed {
        context.output.talk(next());
    }
    Ok(Exit::Done)
}
