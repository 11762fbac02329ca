//! Rows: requests for them become operations of the store, its answers become answers.
//!
//! A request is planned without touching a row (its table, columns and values are checked against
//! the schema), so that a batch can plan all its requests first and hand them over at once.

pub(crate) mod body;
pub(crate) mod bulk;
pub(crate) mod cells;
pub(crate) mod read;
pub(crate) mod target;
pub(crate) mod write;

use http::Method;
use shraga_wire::fault::Fault;

use crate::http::answer::Answer;
use crate::http::base::Base;
use crate::http::call::Call;
use crate::http::path::Resource;
use crate::http::rows::bulk::BulkShape;
use crate::http::rows::read::ReadShape;
use crate::http::rows::target::ContentIds;
use crate::http::rows::write::{Part, WriteShape};
use crate::ops::{Role, Unit, WriteOp};
use crate::schema::Schema;
use crate::store::ReadOp;

/// What planning needs to know beside the request.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    /// The tables.
    pub(crate) schema: &'c Schema,
    /// Where this server is reached.
    pub(crate) base: &'c Base,
    /// The store's newest version, for delta links, and its time.
    pub(crate) moment: Moment,
    /// What the caller may do.
    pub(crate) role: Role,
    /// Rows written earlier in the same change set.
    pub(crate) ids: ContentIds<'c>,
}

/// The store's version and time before anything of the request happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Version of the newest committed write.
    pub(crate) version: i64,
    /// The store's time.
    pub(crate) now: jiff::Timestamp,
}

/// A planned request for rows.
#[derive(Debug)]
pub(crate) enum Planned {
    /// A read.
    Read(ReadOp, ReadShape),
    /// A write of one row.
    Write(WriteOp, WriteShape),
    /// Writes of many rows that happen all or not at all.
    Bulk(Unit, BulkShape),
    /// Nothing to ask the store.
    Answer(Answer),
}

/// Plans a request for `resource`, or `None` if that is no row matter.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn plan(
    context: Context<'_>,
    call: &Call<'_>,
    resource: &Resource<'_>,
) -> Result<Option<Planned>, Fault> {
    let planned = match resource {
        Resource::Rows(set) => match *call.method {
            Method::GET => read::list(context, call, set)?,
            Method::POST => write::create(context, call, set)?,
            _ => refuse(call, &format!("the entity set '{set}'"), "GET, POST"),
        },
        Resource::Count(set) => match *call.method {
            Method::GET => read::count(context, call, set)?,
            _ => refuse(call, "$count", "GET"),
        },
        Resource::Row(row) => match *call.method {
            Method::GET => read::one(context, call, row)?,
            Method::PATCH => write::patch(context, call, row)?,
            Method::DELETE => write::delete(context, call, row)?,
            _ => refuse(call, "a row", "GET, PATCH, DELETE"),
        },
        Resource::Property(row, name) => match *call.method {
            Method::GET => read::property(context, call, row, name)?,
            Method::PUT => write::put(context, call, row, Part::Property(name))?,
            Method::DELETE => write::clear(context, call, row, Part::Property(name))?,
            _ => refuse(call, "a property", "GET, PUT, DELETE"),
        },
        Resource::Link(row, nav) => match *call.method {
            Method::PUT => write::put(context, call, row, Part::Link(nav))?,
            Method::DELETE => write::clear(context, call, row, Part::Link(nav))?,
            _ => refuse(call, "a link", "PUT, DELETE"),
        },
        Resource::Bulk(set, message) => match *call.method {
            Method::POST => bulk::plan(context, call, set, *message)?,
            _ => refuse(call, "a bulk message", "POST"),
        },
        Resource::ServiceDocument
        | Resource::Csdl
        | Resource::Batch
        | Resource::WhoAmI
        | Resource::CreateEntities
        | Resource::InsertOptionValue
        | Resource::BulkDelete
        | Resource::Definitions(_)
        | Resource::InForce
        | Resource::Unsupported(_) => return Ok(None),
    };
    Ok(Some(planned))
}

fn refuse(call: &Call<'_>, resource: &str, allow: &'static str) -> Planned {
    Planned::Answer(Answer::not_allowed(call.method, resource, allow))
}
