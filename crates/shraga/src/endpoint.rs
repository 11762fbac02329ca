//! The data folder and its `endpoint.json`: how verbs find a store that runs on this machine.
//!
//! The file appears, atomically and readable by its owner only, once the store accepts requests,
//! and goes when it stops in order. Token files hold one token each, mode 0600.

use std::io::Write;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};

/// The data folder's name when none is given.
pub const FOLDER: &str = ".shraga";

const FILE: &str = "endpoint.json";

/// What `endpoint.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where the store listens, without a slash at its end.
    pub url: String,
    /// The admin's token.
    pub token_file: PathBuf,
    /// The token of the person at this machine.
    pub user_token_file: PathBuf,
}

impl Endpoint {
    /// Writes the file into `folder`.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn publish(&self, folder: &Path) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        write_private(&folder.join(FILE), text.as_bytes())
    }

    /// Whether `folder` has the file.
    #[must_use]
    pub fn is_published(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Removes the file.
    ///
    /// # Errors
    /// It is not there, or not ours.
    pub fn remove(folder: &Path) -> std::io::Result<()> {
        std::fs::remove_file(folder.join(FILE))
    }

    /// Removes the file, when the store stops.
    pub fn withdraw(folder: &Path) {
        if let Err(error) = Self::remove(folder) {
            tracing::debug!(%error, "endpoint.json was gone already");
        }
    }

    /// Reads the file of the data folder `folder`.
    ///
    /// # Errors
    /// No store has published itself there, or the file is not one of ours.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => not_running(folder),
            std::io::ErrorKind::PermissionDenied => Failure::from_error(
                Exit::Authentication,
                error,
            )
            .context(format!("{} belongs to somebody else", path.display()))
            .hint("ask the store's admin for a token, and set DATAVERSE_URL and DATAVERSE_TOKEN"),
            _ => Failure::from(error).context(format!("can't read {}", path.display())),
        })?;
        let damaged = |error: anyhow::Error| {
            Failure::from_error(Exit::Configuration, error)
                .context(format!("{} is damaged", path.display()))
                .hint("restart `shraga up` or `shraga serve` there: it writes the file anew")
        };
        let endpoint: Self = serde_json::from_str(&text).map_err(|error| damaged(error.into()))?;
        // The folder may have come with a checkout: no token goes to another machine, and no file
        // from elsewhere goes anywhere as a token.
        let tokens = [&endpoint.token_file, &endpoint.user_token_file];
        if let Some(stray) = tokens.into_iter().find(|file| !is_inside(folder, file)) {
            let stray = stray.display();
            return Err(damaged(anyhow::anyhow!("{stray} is not in this folder")));
        }
        if !is_this_machine(&endpoint.url) {
            let url = crate::display::clean::one_line(&endpoint.url);
            return Err(damaged(anyhow::anyhow!(
                "{url} is no address of this machine"
            )));
        }
        Ok(endpoint)
    }
}

/// Whether an address names this machine by number, as a store that listens here writes it.
fn is_this_machine(url: &str) -> bool {
    let ip: std::net::IpAddr = match url::Url::parse(url).as_ref().map(url::Url::host) {
        Ok(Some(url::Host::Ipv4(ip))) => ip.into(),
        Ok(Some(url::Host::Ipv6(ip))) => ip.into(),
        Ok(Some(url::Host::Domain(_)) | None) | Err(_) => return false,
    };
    // Only an own address can be bound; nothing is sent.
    ip.is_loopback() || std::net::UdpSocket::bind((ip, 0)).is_ok()
}

/// Whether `file` is in `folder`, or isn't there at all.
fn is_inside(folder: &Path, file: &Path) -> bool {
    match (folder.canonicalize(), file.canonicalize()) {
        (Ok(folder), Ok(file)) => file.starts_with(folder),
        (_, Err(_)) => true,
        (Err(_), Ok(_)) => false,
    }
}

/// The error when a data folder has no live store.
pub fn not_running(folder: &Path) -> Failure {
    Failure::new(
        Exit::Unreachable,
        format!("no store is running on {}", folder.display()),
    )
    .hint(format!(
        "start one with `shraga up --data {}` (or `serve`), or set DATAVERSE_URL",
        folder.display()
    ))
}

/// The data folder seen from `from`: `.shraga` there or in the nearest folder above, up to `home`
/// if that is on the way. Somebody else's is passed over, since it could send us anywhere.
#[must_use]
pub fn find_folder(from: &Path, home: Option<&Path>) -> Option<PathBuf> {
    let mut past_home = false;
    from.ancestors()
        .take_while(|folder| !std::mem::replace(&mut past_home, Some(*folder) == home))
        .map(|folder| folder.join(FOLDER))
        .find(|folder| folder.is_dir() && is_ours(folder))
}

#[cfg(unix)]
fn is_ours(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    // Whoever owns a file we make is us; there is no other safe way to ask.
    let us = tempfile::tempfile().and_then(|file| file.metadata());
    match (us, folder.metadata()) {
        (Ok(us), Ok(folder)) => us.uid() == folder.uid(),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

#[cfg(not(unix))]
fn is_ours(_folder: &Path) -> bool {
    true
}

/// Makes the data folder: private to its owner, and ignored by git.
///
/// # Errors
/// It can't be made or written.
pub fn create_folder(folder: &Path) -> std::io::Result<()> {
    create_private_folder(folder)?;
    let ignore = folder.join(".gitignore");
    if ignore.exists() {
        return Ok(());
    }
    std::fs::write(ignore, "*\n")
}

/// Makes a folder that only its owner enters, and those above it.
///
/// # Errors
/// It can't be made.
pub fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a file that only its owner can read, all or nothing: temporary file, fsync, rename.
///
/// # Errors
/// The folder can't be written.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?; // made with mode 0600
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Reads a token file.
///
/// # Errors
/// It can't be read, or holds nothing.
pub fn read_token(path: &Path) -> Result<SecretString, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::from_error(Exit::Configuration, error)
            .context(format!("can't read the token file {}", path.display()))
    })?;
    match text.trim() {
        "" => Err(Failure::new(
            Exit::Configuration,
            format!("the token file {} is empty", path.display()),
        )),
        token => Ok(SecretString::from(token)),
    }
}

#[cfg(test)]
mod tests;
