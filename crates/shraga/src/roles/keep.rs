//! The keeper's role: settings become its order, signals and news find their way. It asks no store.

use shraga_update::{KeepError, News, Order, keep};
use tokio::sync::mpsc;

use super::{signals, update, worker};
use crate::cli::Context;
use crate::clock;
use crate::config::env;
use crate::exit::{Exit, Failure};
use crate::vitals::Manager;

/// Where keepers have their folders, below the installation's root or the data folder.
const FOLDER: &str = "keep";

/// Signals that may wait for the keeper: it hears the first and the second, and no third is needed.
const SIGNALS: usize = 2;

/// Keeps the daemon with these arguments until it is told to end.
///
/// # Errors
/// There is nothing to keep, or another keeper has its name.
pub async fn run(context: &Context, name: &str, args: Vec<String>) -> Result<Exit, Failure> {
    let config = &context.config;
    let root = update::root(config);
    let root = root.map(std::path::absolute).transpose()?;
    if root.is_none() {
        tracing::info!(
            "this program does not run from an installation: no other version is ever taken"
        );
    }
    let below = root.clone().unwrap_or_else(|| worker::data_folder(config));
    let order = Order {
        root,
        program: std::env::current_exe()?,
        args,
        folder: std::path::absolute(below.join(FOLDER).join(name))?,
        dir: std::env::current_dir()?,
        environment: env::all(),
        health: config.update.health_seconds.duration(),
        wall: clock::wall,
    };
    let manager = Manager::from_environment();
    let mut tell = move |news: News| match news {
        News::Ready => manager.ready(),
        News::Says(says) => manager.status(&says),
        News::Alive => manager.well(),
        News::Stopping => manager.stopping(),
    };
    keep(&order, signals(), &mut tell).await?;
    Ok(Exit::Done)
}

/// A message for each signal.
fn signals() -> mpsc::Receiver<()> {
    let (told, heard) = mpsc::channel(SIGNALS);
    let stop = signals::watch();
    tokio::spawn(async move {
        for token in [stop.drain, stop.now] {
            token.cancelled().await;
            // Nobody listens any more once the keeper has ended.
            let _ = told.send(()).await;
        }
    });
    heard
}

impl From<KeepError> for Failure {
    fn from(error: KeepError) -> Self {
        let (exit, hint) = match &error {
            KeepError::InUse { .. } => (
                Exit::Conflict,
                "end the other one, or give this one another --name",
            ),
            KeepError::NothingInstalled(_) => (
                Exit::NotFound,
                "`shraga update --now --root DIR --repo CHECKOUT` installs what the branch has",
            ),
            KeepError::Folder { .. } | KeepError::Lasting(_) => (
                Exit::Failed,
                "check that the folder can be written and the disk isn't full",
            ),
        };
        Self::from_error(exit, error).hint(hint)
    }
}
