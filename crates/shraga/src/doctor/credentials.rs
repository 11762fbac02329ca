//! Whose token is used, as far as the settings tell. Whether it is accepted shows when the store is
//! asked.

use shraga_dataverse::auth::{Kind, Standing};

use super::{Case, Finding};
use crate::endpoint;
use crate::roles::credentials::{Source, source_of};

const CHECK: &str = "credentials";

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    match source_of(case.config) {
        Source::Folder => vec![Finding::ok(CHECK, "the data folder's own tokens")],
        Source::Given { key, origin } => vec![given(case, key, &origin)],
        Source::Missing => {
            let fix = "set DATAVERSE_TOKEN, or give a file with --token-file";
            vec![Finding::error(CHECK, "no token for the store", fix)]
        }
        Source::InTurn(kinds) => in_turn(&kinds),
    }
}

fn given(case: &Case<'_>, key: &str, origin: &str) -> Finding {
    let unreadable = case.config.store.token_file.as_deref();
    match unreadable.map(endpoint::read_token) {
        Some(Err(failure)) => {
            let fix = "name a file that holds a token and that you can read";
            Finding::error(CHECK, format!("{:#}", failure.error), fix)
        }
        Some(Ok(_)) | None => Finding::ok(CHECK, format!("a given token: `{key}` from {origin}")),
    }
}

/// The credentials that are tried; of one that is only half set, what is missing.
fn in_turn(kinds: &[(Kind, Standing)]) -> Vec<Finding> {
    let tried: Vec<&str> = kinds
        .iter()
        .filter(|(_, standing)| !matches!(standing, Standing::Unset(_)))
        .map(|(kind, _)| kind.name())
        .collect();
    let mut found = match tried.as_slice() {
        [] => {
            let fix = "sign in with `az login`, or set the variables of an application \
                       (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET)";
            vec![Finding::error(
                CHECK,
                "nothing that could get a token is set",
                fix,
            )]
        }
        names => vec![Finding::ok(
            CHECK,
            format!("tried in turn: {}", names.join(", ")),
        )],
    };
    for (kind, standing) in kinds {
        if let Standing::Lacks(missing) = standing {
            let missing = missing.join(", ");
            let what = format!("{} is set in part: {missing} is missing", kind.name());
            found.push(Finding::warning(CHECK, what, format!("set {missing}")));
        }
    }
    found
}
