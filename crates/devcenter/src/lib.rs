//! A client of Microsoft Dev Center's data plane, `api-version` 2025-02-01: Dev Boxes and what belongs to them.
//!
//! It asks and tells, paced, bounded, each request under one deadline; what ought to exist is its caller's business.
//! It sends nothing twice but a request whose token was refused, so nothing here makes two of anything: a caller that
//! wants a box looks first ([`Client::dev_box`]), since the service's PUT replaces what is there. Tokens go to the
//! configured scheme, host and port alone. It never waits for an operation to end: that takes half an hour, and whoever
//! waits must survive a restart.
//!
//! Errors are told apart by what somebody does about them ([`Class`]); they, logs and `Debug` show no token, no user's
//! principal name and no connection.

mod address;
mod client;
mod error;
mod fault;
mod model;
mod names;
mod open;
mod pace;
mod said;
mod send;
mod tokens;
mod transport;

pub use client::{Client, Created, Options};
pub use error::{Class, Error, Stage};
pub use fault::Fault;
pub use model::actions::{Action, Delayed};
pub use model::boxes::{DevBox, HibernateSupport, PowerState, ProvisioningState};
pub use model::connection::RemoteConnection;
pub use model::customization::{
    Group, GroupState, RunAs, Task, TaskDefinition, TaskSeen, TaskState,
};
pub use model::operations::{Operation, OperationState, Tracking};
pub use model::projects::{Abilities, Health, Pool, Project, StopRule};
pub use names::{ActionName, BadName, BoxId, BoxName, GroupName, Owner, PoolName, ProjectName};
pub use tokens::{NoToken, Tokens};
pub use transport::{Body, BoxError, Transport};
