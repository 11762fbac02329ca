//! What the driver asks the store: the rows of all workers, and the work there is.
//!
//! One request of two bounded reads. A window that was full says so, and then nothing is concluded from
//! what isn't in it.

use shraga_core::ids::UserId;
use shraga_core::machine::ProviderKind;
use shraga_core::plan::machines::MachineSnapshot;
use shraga_core::row::{Table, workers};
use shraga_core::time::Timestamp;
use shraga_dataverse::{Client, Error, Read, Row, Rows, rows};

use crate::observe::question::{Question, WHOLE, Whose, open_work};
use crate::probe;
use crate::status::Degraded;

/// What keeps machines from being made at this store, whatever a provider says.
pub(super) fn lacks(client: &Client) -> Option<Degraded> {
    let absent = client.absent();
    let column =
        probe::is_usable(&absent, Table::Workers) && absent.has(Table::Workers, workers::MACHINE);
    if !column {
        return Some(Degraded {
            missing: workers::MACHINE.name().to_owned(),
            without: "no machines are made; `shraga schema apply` adds what is missing",
        });
    }
    let own_ids = client.capabilities().own_ids;
    (!own_ids).then(|| Degraded {
        missing: "identities of our choice".to_owned(),
        without: "no machines are made: two orchestrators could make one twice",
    })
}

/// Reads workers and work; `admin` is who owns mirrors. With the store's time.
///
/// # Errors
/// The store can't be read.
pub(super) async fn snapshot(
    client: &Client,
    admin: UserId,
) -> Result<(MachineSnapshot, Timestamp), Error> {
    let embedded = client.store_info().await?.is_some();
    let whose = Whose {
        admin: Some(admin),
        impostors: !embedded,
    };
    let work = Read::List {
        table: Table::Tasks,
        query: open_work(whose),
    };
    let all = Question::Workers.read(whose, &client.absent());
    let reply = client.read_batch(&[all, work]).await?;
    let mut answers = reply.answers.into_iter();
    let (all, work) = (next(&mut answers)?, next(&mut answers)?);
    let mut snapshot = MachineSnapshot {
        admin: Some(admin),
        workers_complete: all.rows.len() < WHOLE as usize,
        open_complete: work.rows.len() < WHOLE as usize,
        ..MachineSnapshot::default()
    };
    for row in &all.rows {
        match rows::worker(row) {
            Ok(worker) => snapshot.workers.push(worker),
            // Which machine it is can't be told: none is made that may be it.
            Err(_) if is_machine(row) => snapshot.workers_complete = false,
            Err(_) => {}
        }
    }
    for row in &work.rows {
        match rows::open(row) {
            Ok(open) => snapshot.open.push(open),
            // Whom it is with can't be told: nothing is stopped that may hold it.
            Err(_) => snapshot.open_complete = false,
        }
    }
    Ok((snapshot, reply.now))
}

fn next(answers: &mut impl Iterator<Item = Result<Rows, Error>>) -> Result<Rows, Error> {
    answers.next().unwrap_or(Err(Error::NotReached))
}

fn is_machine(row: &Row) -> bool {
    let object = row.object().unwrap_or_default();
    object
        .get(workers::MACHINE.name())
        .is_some_and(|it| !it.is_null())
}

/// What a provider is called by people.
pub(super) const fn called(provider: ProviderKind) -> &'static str {
    match provider {
        ProviderKind::DevBox => "Dev Box",
        ProviderKind::Process => "process",
    }
}
