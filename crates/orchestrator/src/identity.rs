//! Who we are: asked of the store at the start, and with every tick until it tells.
//!
//! Mirrors belong to whom the store takes us for, so none is made before; tasks are found and explained
//! meanwhile. Whom a file takes us for is only compared.

use shraga_core::ids::UserId;
use shraga_dataverse::{Client, Error};

use crate::status::Board;
use crate::trouble;

/// Whom the store takes us for; `None` when it answers, but not this.
///
/// # Errors
/// The store can't be reached or doesn't let us in: nothing else would be answered either.
pub(crate) async fn ask(client: &Client, board: &Board) -> Result<Option<UserId>, Error> {
    match client.who_am_i().await {
        Ok(admin) => Ok(Some(admin)),
        Err(error) if concerns_everything(&error) => Err(error),
        Err(error) => {
            let words = trouble::words(&error);
            let note = format!("who we are is not known yet, so no task is mirrored: {words}");
            if !board.reader().borrow().notes.contains(&note) {
                tracing::warn!(kind = error.kind(), "{note}");
            }
            board.post(|status| status.note([note]));
            Ok(None)
        }
    }
}

/// The store told: compares it with what the state file says, and shows it.
pub(crate) fn introduce(admin: UserId, file: Option<UserId>, board: &Board) {
    let stale = file.filter(|known| *known != admin).map(|known| {
        format!("the state file names {known} as the admin, but the store takes us for {admin}")
    });
    if let Some(stale) = &stale {
        tracing::warn!("{stale}");
    }
    board.post(|status| {
        status.identity = Some(admin);
        status.note(stale);
    });
}

const fn concerns_everything(error: &Error) -> bool {
    matches!(
        error,
        Error::BadAddress { .. }
            | Error::Dns { .. }
            | Error::Connect { .. }
            | Error::Tls { .. }
            | Error::Broken { .. }
    ) || error.is_about_us()
}
