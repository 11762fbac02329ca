//! Who asks: by token, and for whom.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use shraga_wire::fault::Fault;
use uuid::Uuid;

use crate::ops::{GetOp, Key, Principal, Projection, Role};
use crate::store::{ReadAnswer, ReadOp, Store};

/// Names the writer, so that its own writes don't wake it.
const SESSION: &str = "x-shraga-session";
/// The impersonation headers: by directory identity and, older, by user. Here both are the user's.
const IMPERSONATION: [&str; 2] = ["callerobjectid", "mscrmcallerid"];

/// The bearer of the request's token.
///
/// # Errors
/// 401 without a valid token, 400 with several tokens, 403 for a disabled user.
pub(crate) fn by_token(store: &Store, parts: &Parts) -> Result<Principal, Fault> {
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let header = headers.next().ok_or_else(|| {
        Fault::unauthenticated(
            "A token is needed: send `Authorization: Bearer TOKEN` (an admin makes tokens with \
             `shraga token create`).",
        )
    })?;
    if headers.next().is_some() {
        // Whoever stands between may have looked at another one than we would.
        return Err(Fault::invalid_argument(
            "There is more than one Authorization header.",
        ));
    }
    let token = header.to_str().ok().and_then(bearer).ok_or_else(|| {
        Fault::unauthenticated("The Authorization header must be `Bearer TOKEN`.")
    })?;
    store
        .authenticate(token)?
        .ok_or_else(|| Fault::unauthenticated("The token is unknown to this store or was revoked."))
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Whom the request is for: the caller, or the user it acts for, with the rights of both.
///
/// # Errors
/// 400 for a header that is no GUID, 403 for a caller that may not act for others or a user that
/// doesn't exist.
pub(crate) async fn effective(
    store: &Store,
    mut who: Principal,
    headers: &HeaderMap,
) -> Result<Principal, Fault> {
    if let Some(session) = headers.get(SESSION) {
        who.session = Some(guid(SESSION, session)?);
    }
    for name in IMPERSONATION {
        if let Some(value) = headers.get(name) {
            let user = guid(name, value)?;
            if user != who.user {
                return act_for(store, who, user).await;
            }
        }
    }
    Ok(who)
}

fn guid(name: &str, value: &HeaderValue) -> Result<Uuid, Fault> {
    let text = value.to_str().unwrap_or_default().trim();
    Uuid::parse_str(text)
        .map_err(|_not_a_guid| Fault::invalid_argument(format!("The header {name} is not a GUID.")))
}

async fn act_for(store: &Store, who: Principal, user: Uuid) -> Result<Principal, Fault> {
    if who.role != Role::Admin {
        return Err(Fault::cannot_act_on_behalf_of(user));
    }
    let schema = store.schema();
    let Some(users) = schema.by_logical("systemuser") else {
        return Err(Fault::cannot_act_on_behalf_of(user));
    };
    let read = GetOp {
        table: users.clone(),
        key: Key::Id(user),
        projection: Projection::default(),
    };
    let mut found = store.read(&who, vec![ReadOp::Get(read)]).await;
    let Some(Ok(ReadAnswer::Found(_))) = found.pop() else {
        return Err(Fault::user_not_enabled(format!(
            "The user to act for, systemuser With Id = {user}, does not exist."
        )));
    };
    if store.is_barred(user) {
        return Err(Fault::user_not_enabled(format!(
            "The user {user} is disabled."
        )));
    }
    let tokens = store.list_tokens(&who).await?;
    let is_admin = tokens
        .iter()
        .any(|token| token.user == user && token.role == Role::Admin);
    Ok(Principal {
        user,
        role: if is_admin { Role::Admin } else { Role::User },
        worker: None,
        on_behalf_by: Some(who.user),
        session: who.session,
    })
}
