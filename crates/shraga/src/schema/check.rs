//! Looking: what the tables of a store lack, from its definitions and from whether it serves them.
//!
//! Reads only. Without the right to read definitions each column is asked for by itself, which
//! tells what is there but not what it holds.

use shraga_dataverse::{Client, Error, Served};
use shraga_wire::schema::compare::{Finding, ObservedTable, Trouble, diff};
use shraga_wire::schema::{ColumnDef, Need, Wanted};

/// What was found, table by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is not as it should be; each knows what it means and what to do about it.
    pub all: Vec<Finding>,
    /// Why types, lengths and choices were not looked at, in the store's words; `None` when they were.
    pub unseen: Option<String>,
}

/// What to do when definitions can't be read.
pub(super) const UNSEEN_FIX: &str = "give this identity prvReadEntity and prvReadAttribute: every basic \
                              security role has them";

impl Findings {
    /// Whether Shraga can work with the store as it is.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.all.iter().any(Finding::is_blocking)
    }
}

/// Compares the tables of the store behind `client` with those that its names want there.
///
/// # Errors
/// Any [`Error`] of a request that tells nothing about tables.
pub async fn check(client: &Client) -> Result<Findings, Error> {
    check_for(client, &client.names().wanted()).await
}

/// Compares the tables of the store behind `client` with those `wanted`.
///
/// # Errors
/// Any [`Error`] of a request that tells nothing about tables.
pub(super) async fn check_for(client: &Client, wanted: &[Wanted]) -> Result<Findings, Error> {
    match client.definitions(wanted).await {
        Ok(observed) => {
            let mut all = diff(wanted, &observed);
            for table in wanted {
                if let Some(defined) = defined(table, &observed) {
                    all.extend(unserved(client, table, &defined, NOT_SERVED).await?);
                }
            }
            Ok(Findings { all, unseen: None })
        }
        Err(Error::Forbidden(fault)) => {
            let mut all = Vec::new();
            for table in wanted {
                let columns: Vec<_> = table.columns().collect();
                all.extend(unserved(client, table, &columns, MISSING).await?);
            }
            let unseen = Some(fault.message);
            Ok(Findings { all, unseen })
        }
        Err(error) => Err(error),
    }
}

/// What it means when rows can't be asked for a table, or for a column.
type Absence = fn() -> (Trouble, Trouble);

/// It is defined: the service takes a while to serve what is new.
const NOT_SERVED: Absence = || (Trouble::NotServed, Trouble::NotServed);
/// Nothing is known of it but that.
const MISSING: Absence = || (Trouble::TableMissing, Trouble::ColumnMissing);

/// The columns that are wanted of a table and defined; `None` when the table isn't.
fn defined<'w>(
    table: &'w Wanted,
    observed: &[ObservedTable],
) -> Option<Vec<(&'w ColumnDef, Need)>> {
    let same =
        |it: &&ObservedTable| (&it.set, &it.primary_id) == (&table.def.set, &table.def.primary_id);
    let there = observed.iter().find(same)?;
    let has = |name: &String| there.columns.iter().any(|it| it.logical == *name);
    let columns = table.columns().filter(|(it, _)| has(&it.logical));
    Some(columns.collect())
}

/// Which of these columns rows of a table can't be asked for: all at once, and one by one only when
/// that fails.
async fn unserved(
    client: &Client,
    table: &Wanted,
    columns: &[(&ColumnDef, Need)],
    absence: Absence,
) -> Result<Vec<Finding>, Error> {
    let (no_table, _) = absence();
    let set = &table.def.set;
    let names: Vec<&str> = columns.iter().map(|(it, _)| it.logical.as_str()).collect();
    match client.serves(set, &names).await? {
        Served::Yes => return Ok(Vec::new()),
        Served::NoTable => return Ok(vec![Finding::of_table(table, no_table)]),
        Served::NotReadable(_) => {
            return Ok(vec![Finding::of_table(table, Trouble::NotReadable)]);
        }
        Served::NoColumn => {}
    }
    let mut found = Vec::new();
    for (column, need) in columns {
        let served = client.serves(set, &[&column.logical]).await?;
        if !matches!(served, Served::Yes) {
            let (_, no_column) = absence();
            found.push(Finding::of_column(table, column, *need, no_column));
        }
    }
    Ok(found)
}
