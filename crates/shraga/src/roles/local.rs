//! Roles inside the process that holds the store: clients without a socket, and their identities.

use sha2::{Digest, Sha256};
use shraga_dataverse::transport::{Transport, in_process};
use shraga_dataverse::{Client, Error};
use shraga_local::http;
use shraga_local::ops::{Principal, Role, WorkerClaim};
use shraga_local::store::Store;
use url::Url;
use uuid::Uuid;

use super::session;
use crate::config::Config;

/// The address in-process requests carry; nothing listens there.
const ADDRESS: &str = "http://localhost/";

/// What carries requests of `who` to the store in this process.
pub(crate) fn transport(store: &Store, who: Principal) -> Transport {
    in_process(http::in_process(store.clone(), who))
}

/// A client of the store in this process, over `transport`.
pub(crate) fn client(config: &Config, transport: Transport) -> Result<Client, Error> {
    let address = Url::parse(ADDRESS).expect("the address is a constant and well-formed");
    Client::new(session::options(config, address, transport))
}

/// Who a worker of this process is: one per owner and name, for ever.
pub(crate) fn worker_principal(owner: &Principal, name: &str, config: &Config) -> Principal {
    let pool = config
        .worker
        .pool
        .unwrap_or(shraga_core::status::Pool::Shared);
    Principal {
        user: owner.user,
        role: Role::Worker,
        worker: Some(WorkerClaim {
            id: worker_id(owner.user, name),
            pool: pool.as_str().to_owned(),
            slots: i32::try_from(config.worker.slots.0).unwrap_or(i32::MAX),
            labels: config.worker.labels.join(","),
        }),
        on_behalf_by: None,
        session: None,
    }
}

fn worker_id(owner: Uuid, name: &str) -> Uuid {
    let hash = Sha256::new()
        .chain_update(b"shraga local worker")
        .chain_update(owner.as_bytes())
        .chain_update(name.as_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
