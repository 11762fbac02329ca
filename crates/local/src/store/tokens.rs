//! Tokens: who a caller is.
//!
//! A secret is 256 random bits, shown once; only its SHA-256 is stored. All records are kept in
//! memory, so that knowing a caller costs a hash and a look-up, and a revoked token or a disabled
//! user (barred by a row, as its table's definition says) ends with the commit that says so. Deliberately absent: passwords, expiry, refresh.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use shraga_wire::fault::Fault;
use uuid::Uuid;

use super::failure::Failure;
use super::group::{Broken, Group, Guard, Start, USERS};
use super::types::{NewToken, TokenRecord, TokenRequest};
use super::writer::Writer;
use crate::clock;
use crate::ops::{Cell, Key, Principal, Role, Unit, WorkerClaim, WriteKind, WriteOp};
use crate::schema::{Schema, Table};
use crate::sql::meta::{self, StoredToken};
use crate::sql::{self, bind, rows};

/// What every secret starts with, so that people and scanners recognise one.
const PREFIX: &str = "shr_";

/// The pools a worker's token may name. Dedicated workers serve their owner only.
const POOLS: [&str; 2] = ["dedicated", "shared"];

/// The most slots a worker's token may allow: beyond it one process starts more agents than a machine
/// bears.
const SLOTS_MAX: i32 = 10_000;

/// The longest e-mail address, as in the table of users.
const EMAIL_MAX: usize = 100;

type Hash = [u8; 32];

/// The records in memory.
#[derive(Default)]
pub(super) struct Tokens {
    by_hash: ArcSwap<HashMap<Hash, StoredToken>>,
    barred: ArcSwap<HashSet<Uuid>>,
    host: OnceLock<Uuid>,
}

impl Tokens {
    /// Reads everything from the database.
    pub(super) fn load(conn: &Connection, schema: &Schema) -> rusqlite::Result<Self> {
        let tokens = Self::default();
        tokens.reload(conn)?;
        tokens.set_barred(barred_users(conn, schema)?);
        Ok(tokens)
    }

    fn reload(&self, conn: &Connection) -> rusqlite::Result<()> {
        let all = meta::tokens(conn)?.into_iter().map(|t| (t.hash, t));
        self.by_hash.store(all.collect::<HashMap<_, _>>().into());
        Ok(())
    }

    /// Replaces who is barred.
    pub(super) fn set_barred(&self, users: HashSet<Uuid>) {
        self.barred.store(users.into());
    }

    /// Whether nobody gets in with a token of this user.
    pub(super) fn is_barred(&self, user: Uuid) -> bool {
        self.barred.load().contains(&user) && self.host.get() != Some(&user)
    }

    /// Never bars this user. The first one named counts.
    pub(super) fn never_bar(&self, user: Uuid) {
        self.host.get_or_init(|| user);
    }

    /// Who the bearer of a secret is.
    pub(super) fn authenticate(&self, secret: &str) -> Result<Option<Principal>, Fault> {
        let by_hash = self.by_hash.load();
        let Some(token) = by_hash.get(&hash(secret)) else {
            return Ok(None);
        };
        if self.is_barred(token.user) {
            return Err(Fault::user_not_enabled(format!(
                "User {} is disabled. An admin can enable it again.",
                token.email
            )));
        }
        Ok(Some(bearer(token)))
    }

    /// Whom a secret was made for, disabled or not.
    pub(super) fn made_for(&self, secret: &str) -> Option<Principal> {
        self.by_hash.load().get(&hash(secret)).map(bearer)
    }

    /// All records, oldest first.
    pub(super) fn list(&self) -> Vec<TokenRecord> {
        let mut records: Vec<_> = self.by_hash.load().values().map(record).collect();
        records.sort_by_key(|r| (r.created, r.id));
        records
    }
}

fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

fn bearer(token: &StoredToken) -> Principal {
    Principal {
        user: token.user,
        role: token.role,
        worker: token.worker.clone(),
        on_behalf_by: None,
        session: None,
    }
}

fn record(token: &StoredToken) -> TokenRecord {
    TokenRecord {
        id: token.id,
        user: token.user,
        email: token.email.clone(),
        role: token.role,
        worker: token.worker.clone(),
        created: token.created,
    }
}

/// The users that rows of any table bar.
pub(super) fn barred_users(conn: &Connection, schema: &Schema) -> rusqlite::Result<HashSet<Uuid>> {
    let mut users = HashSet::new();
    for statement in schema.tables().iter().filter_map(|it| rows::barred(it)) {
        users.extend(ids(conn, &statement, &[])?);
    }
    Ok(users)
}

fn ids_where(
    conn: &Connection,
    table: &Table,
    column: &str,
    value: &Cell,
) -> rusqlite::Result<Vec<Uuid>> {
    ids(conn, &rows::ids_where(table, column), &[value])
}

fn ids(conn: &Connection, statement: &str, values: &[&Cell]) -> rusqlite::Result<Vec<Uuid>> {
    let mut statement = conn.prepare_cached(statement)?;
    bind(&mut statement, values.iter().copied())?;
    let mut found = statement.raw_query();
    let mut ids = Vec::new();
    while let Some(row) = found.next()? {
        ids.push(sql::id(row, 0)?);
    }
    Ok(ids)
}

impl Writer {
    /// Makes a token, and its user when new.
    pub(super) fn create_token(
        &mut self,
        who: &Principal,
        request: TokenRequest,
    ) -> Result<NewToken, Fault> {
        let worker = claim(&request)?;
        let secret = new_secret()?;
        let now = self.shared.clock.seconds();
        let token = self.transaction(|writer| {
            let (user, email) = match request.user.trim().parse() {
                Ok(user) => (user, writer.email_of(user)?),
                Err(_) => writer.ensure_user(who, &request.user)?,
            };
            let token = StoredToken {
                id: clock::new_id(),
                hash: hash(&secret),
                user,
                email,
                role: request.role,
                worker,
                created: now,
            };
            meta::add_token(&writer.conn, &token)?;
            Ok(token)
        })?;
        self.reload_tokens()?;
        Ok(NewToken {
            token: secret,
            record: record(&token),
        })
    }

    /// Ends a token.
    pub(super) fn revoke_token(&mut self, id: Uuid) -> Result<(), Fault> {
        let found = self.transaction(|writer| Ok(meta::remove_token(&writer.conn, id)?))?;
        self.reload_tokens()?;
        if found {
            return Ok(());
        }
        Err(Fault::does_not_exist("token", id))
    }

    fn reload_tokens(&self) -> Result<(), Fault> {
        let tokens = &self.shared.tokens;
        tokens
            .reload(&self.conn)
            .map_err(|e| Failure::from(e).into_fault())
    }

    /// The address of the user with this identity, who must be known; the identity where there is none.
    fn email_of(&self, user: Uuid) -> Result<String, Failure> {
        let schema = self.shared.schema.load_full();
        let users = schema.by_logical(USERS);
        let users = users.ok_or_else(|| Fault::unexpected("The table of users is missing."))?;
        let id = Cell::Id(user);
        let mut known = self
            .conn
            .prepare_cached(&rows::column_of(users, "internalemailaddress"))?;
        bind(&mut known, [&id])?;
        let mut found = known.raw_query();
        match found.next()? {
            Some(row) => {
                let email: Option<String> = row.get(0)?;
                Ok(email.unwrap_or_else(|| user.to_string()))
            }
            None => Err(Fault::does_not_exist(USERS, user).into()),
        }
    }

    /// The user with this address and the address as kept, made when new.
    pub(super) fn ensure_user(
        &mut self,
        who: &Principal,
        email: &str,
    ) -> Result<(Uuid, String), Failure> {
        let email = email.trim();
        if email.is_empty() || email.chars().count() > EMAIL_MAX {
            return Err(Failure::Refused(Fault::invalid_argument(format!(
                "A user needs an e-mail address of 1 to {EMAIL_MAX} characters."
            ))));
        }
        let schema = self.shared.schema.load_full();
        let users = schema.by_logical(USERS);
        let users = users.ok_or_else(|| Fault::unexpected("The table of users is missing."))?;
        let kept = Cell::Text(email.to_owned());
        let known = ids_where(&self.conn, users, "internalemailaddress", &kept)?;
        if let Some(&user) = known.first() {
            return Ok((user, email.to_owned()));
        }
        let user = clock::new_id();
        let named = |logical: &str, cell: Cell| users.column_by_logical(logical).map(|c| (c, cell));
        let cells = [
            named("internalemailaddress", kept.clone()),
            named("domainname", kept.clone()),
            named("fullname", kept),
            named("isdisabled", Cell::Int(0)),
        ];
        let op = WriteOp {
            table: std::sync::Arc::clone(users),
            key: Key::Id(user),
            kind: WriteKind::Create,
            cells: cells.into_iter().flatten().collect(),
            returning: None,
        };
        self.write_alone(who, &schema, op)?;
        Ok((user, email.to_owned()))
    }

    fn write_alone(
        &mut self,
        who: &Principal,
        schema: &Schema,
        op: WriteOp,
    ) -> Result<(), Failure> {
        let start = Start {
            now: self.shared.clock.seconds(),
            version: self.version,
            guard: Guard::None,
        };
        let mut group = Group::new(&self.conn, schema, &mut self.users, start);
        let outcome = match group.unit(who, &Unit { ops: vec![op] }) {
            Ok(outcome) => outcome,
            Err(Broken::Engine(error)) => return Err(error.into()),
            // The transaction is this write's own and is undone by whoever sees the failure.
            Err(Broken::HalfDone) => return Err(Fault::duplicate_record().into()),
        };
        self.version = group.version;
        outcome.map(|_| ()).map_err(|failed| failed.fault.into())
    }
}

/// What a worker's token claims; nothing for other roles.
fn claim(request: &TokenRequest) -> Result<Option<WorkerClaim>, Fault> {
    let given = request.pool.is_some()
        || request.slots.is_some()
        || request.labels.is_some()
        || request.worker.is_some();
    match request.role {
        Role::Worker => {}
        Role::User | Role::Admin if given => {
            return Err(Fault::invalid_argument(
                "Worker, pool, slots and labels are for tokens of workers.",
            ));
        }
        Role::User | Role::Admin => return Ok(None),
    }
    let pool = request.pool.as_deref().unwrap_or(POOLS[0]);
    if !POOLS.contains(&pool) {
        return Err(Fault::invalid_argument(format!(
            "'{pool}' is no pool: it is one of {POOLS:?}."
        )));
    }
    let slots = request.slots.unwrap_or(1);
    if !(1..=SLOTS_MAX).contains(&slots) {
        return Err(Fault::invalid_argument(format!(
            "A worker offers 1 to {SLOTS_MAX} slots, not {slots}."
        )));
    }
    Ok(Some(WorkerClaim {
        id: request.worker.unwrap_or_else(clock::new_id),
        pool: pool.to_owned(),
        slots,
        labels: request.labels.clone().unwrap_or_default(),
    }))
}

fn new_secret() -> Result<String, Fault> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "token.no_randomness");
        Fault::unavailable("The operating system gives no randomness; try again.")
    })?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}
