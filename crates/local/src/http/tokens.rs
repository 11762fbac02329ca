//! Skip and delta tokens: where the next page or the next look at changes starts.
//!
//! Opaque to clients. A skip token carries a checksum over itself and the query it belongs to, so
//! that an altered or borrowed one is refused instead of showing wrong rows; it protects no secret,
//! since row security applies to every page alike.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shraga_wire::fault::Fault;
use shraga_wire::query::Query;
use uuid::Uuid;

use crate::ops::{Cell, PageCookie};
use crate::schema::Table;

/// Bytes of the checksum in front of a skip token.
const CHECK_BYTES: usize = 8;

/// Where a page starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    /// After this row.
    pub(crate) after: PageCookie,
    /// Rows still owed to a `$top` beyond one page.
    pub(crate) remaining: Option<u32>,
    /// When changes are tracked: the version that the delta link is to start from.
    pub(crate) version: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    c: Vec<StoredCell>,
    i: Uuid,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    r: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    v: Option<i64>,
}

#[derive(Serialize, Deserialize)]
enum StoredCell {
    #[serde(rename = "n")]
    Null,
    #[serde(rename = "i")]
    Int(i64),
    /// The bits, since text loses some.
    #[serde(rename = "f")]
    Real(u64),
    #[serde(rename = "t")]
    Text(String),
    #[serde(rename = "g")]
    Id(Uuid),
}

/// The text of a skip token for the query it continues.
pub(crate) fn skip_token(table: &Table, query: &Query, place: Place) -> String {
    let stored = Stored {
        c: place
            .after
            .cells
            .into_iter()
            .map(StoredCell::from)
            .collect(),
        i: place.after.id,
        r: place.remaining,
        v: place.version,
    };
    let payload = serde_json::to_vec(&stored).expect("plain values are always JSON");
    let mut token = check(table, query, &payload).to_vec();
    token.extend_from_slice(&payload);
    URL_SAFE_NO_PAD.encode(token)
}

/// Reads a skip token.
///
/// # Errors
/// 400 for one that was altered or belongs to another query.
pub(crate) fn read_skip_token(table: &Table, query: &Query, token: &str) -> Result<Place, Fault> {
    let altered = || {
        Fault::odata(
            "Malformed $skiptoken: follow @odata.nextLink as it came, with the same query; it \
             can't be altered or reused for another one.",
        )
    };
    let bytes = URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|_not_base64| altered())?;
    let (sum, payload) = bytes.split_at_checked(CHECK_BYTES).ok_or_else(altered)?;
    if sum != check(table, query, payload) {
        return Err(altered());
    }
    let stored: Stored = serde_json::from_slice(payload).map_err(|_not_ours| altered())?;
    Ok(Place {
        after: PageCookie {
            cells: stored.c.into_iter().map(Cell::from).collect(),
            id: stored.i,
        },
        remaining: stored.r,
        version: stored.v,
    })
}

fn check(table: &Table, query: &Query, payload: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hash = Sha256::new();
    hash.update(format!(
        "{}\n{:?}\n{:?}\n{:?}\n",
        table.def.set, query.filter, query.order_by, query.aliases
    ));
    hash.update(payload);
    let mut sum = [0; CHECK_BYTES];
    sum.copy_from_slice(&hash.finalize()[..CHECK_BYTES]);
    sum
}

/// The text of a delta token, as Dataverse writes it: version, `!`, time.
pub(crate) fn delta_token(version: i64, now: Timestamp) -> String {
    format!("{version}!{}", now.strftime("%m/%d/%Y %H:%M:%S"))
}

/// The version in a delta token.
///
/// # Errors
/// 400 for one that isn't ours.
pub(crate) fn read_delta_token(token: &str) -> Result<i64, Fault> {
    let version = token.split_once('!').map_or(token, |(version, _)| version);
    match version.parse() {
        Ok(version) if version >= 0 => Ok(version),
        Ok(_) | Err(_) => Err(Fault::odata(
            "Malformed $deltatoken: follow @odata.deltaLink as it came.",
        )),
    }
}

impl From<Cell> for StoredCell {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Int(number) => Self::Int(number),
            Cell::Real(number) => Self::Real(number.to_bits()),
            Cell::Text(text) => Self::Text(text),
            Cell::Id(id) => Self::Id(id),
        }
    }
}

impl From<StoredCell> for Cell {
    fn from(stored: StoredCell) -> Self {
        match stored {
            StoredCell::Null => Self::Null,
            StoredCell::Int(number) => Self::Int(number),
            StoredCell::Real(bits) => Self::Real(f64::from_bits(bits)),
            StoredCell::Text(text) => Self::Text(text),
            StoredCell::Id(id) => Self::Id(id),
        }
    }
}
