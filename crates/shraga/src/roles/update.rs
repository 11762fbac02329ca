//! What is compared to notice a newer version: settings and places become the check's.

use shraga_update::Settings;

use crate::config::{Config, env};

/// The check as the settings have it. The checkout is the one that is set, else the work tree of the working
/// directory, else of this program.
pub(crate) fn settings(config: &Config) -> Settings {
    let places = match &config.update.repo {
        Some(repo) => vec![repo.clone()],
        None => {
            let program = std::env::current_exe().ok();
            let beside = program.and_then(|program| program.parent().map(ToOwned::to_owned));
            std::env::current_dir()
                .ok()
                .into_iter()
                .chain(beside)
                .collect()
        }
    };
    Settings {
        places,
        branch: config.update.branch.0.clone(),
        git_timeout: config.update.git_timeout_seconds.duration(),
        every: config.update.check_minutes.duration(),
        running: env!("CARGO_PKG_VERSION").to_owned(),
        environment: env::all(),
    }
}
