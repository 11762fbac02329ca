//! Updating as the settings have it: what is compared, where versions are put, and how they are made.

use std::path::PathBuf;
use std::sync::Arc;

use shraga_core::update::Release;
use shraga_update::{
    FOLDER_VARIABLE, Kept, Prebuilt, RELEASE_VARIABLE, Settings, Site, installed, root_of,
};

use super::download::Download;
use crate::config::{Config, env};
use crate::exit::{Exit, Failure};

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
    // What runs here counts, whatever others in the same root run by now.
    let runs = runs();
    let current = runs.or_else(|| root(config).and_then(|root| installed(&root).current));
    Settings {
        places,
        branch: config.update.branch.0.clone(),
        git_timeout: config.update.git_timeout_seconds.duration(),
        every: config.update.check_minutes.duration(),
        running: env!("CARGO_PKG_VERSION").to_owned(),
        installed: current.map(|release| release.version().to_owned()),
        environment: own_environment(),
    }
}

/// This process's environment without what its keeper says to it alone: what is built, tried or started is another's.
fn own_environment() -> std::collections::BTreeMap<String, String> {
    let mut environment = env::all();
    environment.retain(|name, _| ![FOLDER_VARIABLE, RELEASE_VARIABLE].contains(&name.as_str()));
    environment
}

/// This process as its keeper sees it, if it has one.
pub(crate) fn kept() -> Option<Kept> {
    Kept::from(&env::all())
}

/// The root of the installation: the one that is set, else the one this program runs from.
pub(crate) fn root(config: &Config) -> Option<PathBuf> {
    let ours = || root_of(&std::env::current_exe().ok()?);
    config.update.root.clone().or_else(ours)
}

/// Where programs are that somebody else built, if they are to be taken.
///
/// # Errors
/// It is neither an address that can be trusted with a request nor a path.
fn prebuilt(config: &Config) -> Result<Option<Prebuilt>, Failure> {
    let Some(from) = &config.update.prebuilt else {
        return Ok(None);
    };
    let wrong = |said: String| {
        Failure::new(Exit::Configuration, format!("update.prebuilt {said}")).hint(
            "give an https address, or an absolute path; {version}, {commit}, {os} and {arch} are filled in",
        )
    };
    match from.contains("://") {
        true => drop(Download::address(from).map_err(wrong)?),
        false if !std::path::Path::new(from).is_absolute() => {
            return Err(wrong(format!("is no address and no absolute path: {from}")));
        }
        false => {}
    }
    Ok(Some(Prebuilt {
        from: from
            .replace("{os}", std::env::consts::OS)
            .replace("{arch}", std::env::consts::ARCH),
        checksums: config.update.checksums.clone(),
        fetch: Arc::new(Download),
    }))
}

/// How a version is made, and where it goes.
///
/// # Errors
/// The working directory is gone, or the root has no absolute path.
pub(crate) fn site(config: &Config, root: PathBuf) -> Result<Site, Failure> {
    let update = &config.update;
    Ok(Site {
        root: std::path::absolute(root)?,
        build: update.build.clone(),
        artefact: update.artefact.clone(),
        prebuilt: prebuilt(config)?,
        build_deadline: update.build_timeout_seconds.duration(),
        trial_deadline: update.trial_timeout_seconds.duration(),
        signers: update
            .signers
            .as_deref()
            .map(std::path::absolute)
            .transpose()?,
        here: std::env::current_dir()?,
    })
}

/// The release that this process runs, where a keeper started it from an installation.
pub(crate) fn runs() -> Option<Release> {
    kept()?.release().cloned()
}
