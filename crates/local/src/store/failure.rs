//! Why an operation didn't happen, and what its caller is told.

use shraga_wire::fault::{Fault, codes};

use crate::sql;

/// Why an operation didn't happen.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was refused; everything else may go on.
    Refused(Fault),
    /// The engine failed in a way that may concern others too.
    Broken(rusqlite::Error),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match sql::failure(&error) {
            sql::Failure::Unique => Fault::duplicate_record().into(),
            sql::Failure::TooBig | sql::Failure::Stale | sql::Failure::Timeout => {
                fault(&error).into()
            }
            sql::Failure::DiskFull | sql::Failure::Other => Self::Broken(error),
        }
    }
}

impl Failure {
    /// What the caller is told, whether it was refused or broke.
    pub(super) fn into_fault(self) -> Fault {
        match self {
            Self::Refused(fault) => fault,
            Self::Broken(error) => fault(&error),
        }
    }
}

/// What a caller is told of an engine's failure. Details that help only an operator go to the log.
pub(super) fn fault(error: &rusqlite::Error) -> Fault {
    match sql::failure(error) {
        sql::Failure::Unique => Fault::duplicate_record(),
        sql::Failure::TooBig => Fault::too_large(
            "The request is beyond what the store can hold or compare in one statement.",
        ),
        sql::Failure::Timeout => Fault::new(
            400,
            SQL_TIMEOUT,
            "The query took longer than the store allows. Ask for less, or filter by an indexed \
             column.",
        ),
        sql::Failure::DiskFull => Fault::new(
            507,
            codes::UNEXPECTED,
            "The store's disk is full: nothing of this request was written. Free space and try \
             again.",
        ),
        sql::Failure::Stale => {
            tracing::debug!(error = %error, "store.statement_stale");
            Fault::unavailable("The table's definition changed meanwhile; try again.")
        }
        sql::Failure::Other => {
            tracing::error!(error = %error, "store.engine_failed: the database engine failed");
            Fault::unavailable("The store's database failed; its log says how. Try again.")
        }
    }
}

/// Dataverse's code for a query that took too long.
const SQL_TIMEOUT: shraga_wire::fault::Code = shraga_wire::fault::Code(0x8004_4151);

/// The refusal of an operation made for definitions that have changed since.
pub(super) fn stale(table: &str) -> Fault {
    Fault::unavailable(format!(
        "The definition of table '{table}' changed meanwhile; try again."
    ))
}

/// The refusal to delete a user.
pub(super) fn users_stay() -> Fault {
    Fault::new(
        405,
        codes::INVALID_ARGUMENT,
        "Users can't be deleted, since rows belong to them; set 'isdisabled' instead.",
    )
}

/// The answer when the store is closing.
pub(super) fn closing() -> Fault {
    Fault::unavailable("The store is closing.")
}
