//! The embedded store's data folder: opened, with a token for the admin and one for the person at
//! this machine.
//!
//! Valid token files are reused, missing or revoked ones are made anew; only hashes are in the store. The
//! folder's own admin can't be disabled, so that nobody locks everybody out; the person can, and keeps her file.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use shraga_core::time::Timestamp;
use shraga_local::ops::{Principal, Role};
use shraga_local::store::{OpenError, Store, TokenRequest};
use shraga_process::holder;
use uuid::Uuid;

use crate::config::env;
use crate::display::clean::one_line;
use crate::display::time::rfc3339;
use crate::endpoint;
use crate::exit::{Exit, Failure};

/// Who administers an embedded store made on this machine.
pub const ADMIN_EMAIL: &str = "admin@localhost";

/// The certificate made by `--tls-self-signed`, for those who talk to the store.
pub const CERTIFICATE_FILE: &str = "tls-cert.pem";

const ADMIN_TOKEN_FILE: &str = "admin.token";
const USER_TOKEN_FILE: &str = "user.token";

/// An open data folder.
pub struct Folder {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// The store in it.
    pub store: Store,
    /// The admin.
    pub admin: Principal,
    /// The person at this machine.
    pub person: Principal,
}

impl Folder {
    /// The admin's token file.
    #[must_use]
    pub fn admin_token_file(&self) -> PathBuf {
        self.path.join(ADMIN_TOKEN_FILE)
    }

    /// The person's token file.
    #[must_use]
    pub fn user_token_file(&self) -> PathBuf {
        self.path.join(USER_TOKEN_FILE)
    }
}

/// Opens the store in `path`, making what is missing, for this process as `role`.
///
/// # Errors
/// The folder is in use or can't be written, the database is from a newer version.
pub async fn open(path: &Path, role: &str) -> Result<Folder, Failure> {
    endpoint::create_folder(path)
        .map_err(|error| Failure::from(error).context(format!("can't make {}", path.display())))?;
    let path = path.canonicalize()?;
    let folder = path.clone();
    let store =
        tokio::task::spawn_blocking(move || Store::open(&folder, shraga_wire::schema::shipped()))
            .await
            .map_err(|error| Failure::from_error(Exit::Failed, error))?
            .map_err(|error| refused(error, &path))?;
    // Without the note others are told less, and nothing else.
    if let Err(error) = holder::note(&path, role) {
        tracing::warn!(%error, "it could not be noted who has {}", path.display());
    }
    // What a killed process left behind would send people to an address that is no more.
    endpoint::Endpoint::withdraw(&path);
    let person = format!("{}@localhost", env::os_user());
    let admin = identity(
        &store,
        &path.join(ADMIN_TOKEN_FILE),
        ADMIN_EMAIL,
        Role::Admin,
    )
    .await?;
    store.never_bar(admin.user);
    let person = identity(&store, &path.join(USER_TOKEN_FILE), &person, Role::User).await?;
    Ok(Folder {
        path,
        store,
        admin,
        person,
    })
}

/// Who the token in `file` stands for; a new one for `email` when it stands for nobody.
async fn identity(
    store: &Store,
    file: &Path,
    email: &str,
    role: Role,
) -> Result<Principal, Failure> {
    if let Ok(token) = endpoint::read_token(file)
        && let Some(known) = store.made_for(token.expose_secret())
        && known.role == role
    {
        return Ok(known);
    }
    let request = TokenRequest {
        user: email.to_owned(),
        role,
        worker: None,
        pool: None,
        slots: None,
        labels: None,
    };
    let token = store
        .create_token(&the_process_itself(), request)
        .await
        .map_err(|fault| {
            Failure::from_error(Exit::Failed, fault)
                .context(format!("can't make a token for {email}"))
        })?;
    endpoint::write_private(file, format!("{}\n", token.token).as_bytes())?;
    store
        .made_for(&token.token)
        .ok_or_else(|| Failure::new(Exit::Failed, "the token just made isn't known to the store"))
}

/// Why the store can't be opened; of a folder in use, who has it.
fn refused(error: OpenError, path: &Path) -> Failure {
    match &error {
        OpenError::InUse { .. } => {
            let failure = Failure::from_error(Exit::Conflict, error);
            failure.hint(told(path, "give another folder with --data"))
        }
        OpenError::Newer { .. } => match Store::newest_copy(path) {
            None => error.into(),
            Some(copy) => Failure::from_error(Exit::Conflict, error).hint(format!(
                "update shraga; or, while nothing runs here, put the copy that was made before in the database's place \
                 and remove store.sqlite3-wal and store.sqlite3-shm, which loses what was written since: {}",
                copy.display()
            )),
        },
        OpenError::Folder { .. }
        | OpenError::Database { .. }
        | OpenError::Definition { .. } => error.into(),
    }
}

/// Who has the folder at `path`, since when, and what can be done: end that process, or `otherwise`.
pub(crate) fn told(path: &Path, otherwise: &str) -> String {
    let Some(who) = holder::who(path) else {
        return format!("it isn't told which process has it: stop that one, or {otherwise}");
    };
    let (pid, role) = (who.pid, one_line(&who.role));
    let since = who.since.duration_since(std::time::UNIX_EPOCH);
    let since = since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0));
    let since = rfc3339(Timestamp::from_millis(since.saturating_mul(1000)));
    format!(
        "process {pid} has it, a `shraga {role}` since {since}: stop that one (kill {pid}; if a service manager \
         started it, there), or {otherwise}"
    )
}

/// Before there is an admin, the process that opened the database acts for the store.
fn the_process_itself() -> Principal {
    Principal {
        user: Uuid::nil(),
        role: Role::Admin,
        worker: None,
        on_behalf_by: None,
        session: None,
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let (exit, hint) = match &error {
            OpenError::InUse { .. } => (
                Exit::Conflict,
                "another `shraga up` or `shraga serve` uses it: stop that one, or give another folder with --data",
            ),
            OpenError::Newer { .. } => (
                Exit::Conflict,
                "update shraga, or give another folder with --data; nothing was changed",
            ),
            OpenError::Folder { .. } => (
                Exit::Failed,
                "check that the folder can be written, or give another with --data",
            ),
            OpenError::Database { .. } => (
                Exit::Failed,
                "check that the disk isn't full and the folder can be written",
            ),
            OpenError::Definition { .. } => (
                Exit::Failed,
                "the database is damaged or was made by something else; give another folder with --data",
            ),
        };
        Self::from_error(exit, error).hint(hint)
    }
}
