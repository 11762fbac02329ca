//! What the embedded store offers beside Dataverse's API: who it is, wake-ups, tokens.

use secrecy::SecretString;
use shraga_core::ids::{UserId, WorkerId};
use shraga_core::row::Table;
use uuid::Uuid;

use super::Client;
use crate::error::Error;

/// What the embedded store says of itself and of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreInfo {
    /// Its version.
    pub version: String,
    /// The caller.
    pub user: UserId,
    /// What the caller may do.
    pub role: Role,
    /// The caller's e-mail.
    pub email: Option<String>,
    /// For worker tokens: the worker.
    pub worker: Option<StoreWorker>,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Own rows.
    User,
    /// Rows assigned to its worker.
    Worker,
    /// The organisation.
    Admin,
}

/// The worker that a worker token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreWorker {
    /// Its identity.
    pub id: WorkerId,
    /// `shared` or `dedicated`.
    pub pool: String,
    /// The most slots it may offer.
    pub slots: u32,
    /// Labels it may carry.
    pub labels: Vec<String>,
}

/// What changed since a wake-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Where the next question starts.
    pub next: i64,
    /// Which tables, and who wrote. Unknown tables are left out.
    pub changed: Vec<Changed>,
}

/// A table that somebody wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The table.
    pub table: Table,
    /// Who wrote.
    pub by: Role,
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The person's e-mail; a user is made for it when there is none.
    pub user: String,
    /// What the token may do.
    pub role: Role,
    /// For workers: `shared` or `dedicated`.
    pub pool: Option<String>,
    /// For workers: the most slots it may offer.
    pub slots: Option<u32>,
    /// For workers: labels it may carry.
    pub labels: Vec<String>,
}

/// A token as the store describes it.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token's identity, by which it is revoked.
    pub id: Uuid,
    /// The secret itself; only told once, when it is made.
    pub token: Option<SecretString>,
    /// Whose it is: an e-mail.
    pub user: String,
    /// What it may do.
    pub role: Role,
    /// When it was made, as the store prints it.
    pub created: Option<String>,
}

impl Client {
    /// What the embedded store says of itself; `None` at Dataverse. Asked once.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn store_info(&self) -> Result<Option<&StoreInfo>, Error> {
        Err(Error::NotReached)
    }

    /// Waits (25 s at most) until somebody else changed something that concerns the caller since
    /// `since`; without it, tells at once where to start. Embedded store only.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn changes(&self, since: Option<i64>) -> Result<Changes, Error> {
        let _ = since;
        Err(Error::NotReached)
    }

    /// Makes a token (admins).
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn create_token(&self, request: &TokenRequest) -> Result<Token, Error> {
        let _ = request;
        Err(Error::NotReached)
    }

    /// All tokens, without their secrets (admins).
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn tokens(&self) -> Result<Vec<Token>, Error> {
        Err(Error::NotReached)
    }

    /// Revokes a token, at once (admins).
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none; any other [`Error`] of a request.
    pub async fn revoke_token(&self, id: Uuid) -> Result<(), Error> {
        let _ = id;
        Err(Error::NotReached)
    }
}
