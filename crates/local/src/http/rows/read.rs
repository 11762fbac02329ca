//! Reads: one row, one property, a page of rows, a count, changes.
//!
//! `$top` together with `odata.maxpagesize`: the page size wins and `$top` is ignored, as
//! Dataverse documents.

use std::sync::Arc;

use shraga_wire::etag::Tag;
use shraga_wire::fault::{Fault, codes};
use shraga_wire::filter::{Filter, Literal, Operand};
use shraga_wire::query::Query;

use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::limits::{MAX_COUNT, MAX_PAGE_ROWS};
use crate::http::path::RowPath;
use crate::http::rows::{Context, Planned, target};
use crate::http::tokens::{self, Place};
use crate::ops::{Annotations, Delta, DeltaOp, Found, GetOp, ListOp, Page, Projection, Role};
use crate::schema::Table;
use crate::store::{ReadAnswer, ReadOp};

/// How the answer to a read is to look.
#[derive(Debug)]
pub(crate) enum ReadShape {
    /// One row.
    Row(RowShape),
    /// One property of a row.
    Property(PropertyShape),
    /// A page of rows.
    List(Box<ListShape>),
    /// A bare number.
    Count,
    /// Changes.
    Delta(Box<ListShape>),
    /// The number of changes.
    DeltaCount,
}

/// How a row is to look.
#[derive(Debug)]
pub(crate) struct RowShape {
    context_url: String,
    applied: Option<String>,
    unless: Tag,
}

/// How a property is to look.
#[derive(Debug)]
pub(crate) struct PropertyShape {
    context_url: String,
    wire: String,
}

/// How a page is to look, and how to get the next one.
#[derive(Debug)]
pub(crate) struct ListShape {
    table: Arc<Table>,
    query: Query,
    /// The address of the entity set.
    address: String,
    /// Without `/$delta`.
    context_url: String,
    applied: Option<String>,
    totals: bool,
    /// Rows still owed to a `$top` beyond one page, this page included.
    remaining: Option<u32>,
    /// When changes are tracked: the version of the delta link.
    track_from: Option<i64>,
    now: jiff::Timestamp,
}

/// Plans a read of one row.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn one(
    context: Context<'_>,
    call: &Call<'_>,
    row: &RowPath<'_>,
) -> Result<Planned, Fault> {
    let target = target::row(context, row)?;
    let query = Query::parse(call.query)?;
    only_shape(&query, "a read of one row")?;
    let annotations = call.head.prefer.value_annotations();
    let projection = projection(&target.table, &query, annotations)?;
    let shape = RowShape {
        context_url: format!("{}/$entity", context_url(context, &target.table, &query)),
        applied: call.head.prefer.applied_to_row(),
        unless: if call.head.prefer.annotations.is_none() {
            call.head.if_none_match
        } else {
            Tag::Absent
        },
    };
    let op = GetOp {
        table: target.table,
        key: target.key,
        projection,
    };
    Ok(Planned::Read(ReadOp::Get(op), ReadShape::Row(shape)))
}

/// Plans a read of one property.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn property(
    context: Context<'_>,
    call: &Call<'_>,
    row: &RowPath<'_>,
    name: &str,
) -> Result<Planned, Fault> {
    let target = target::row(context, row)?;
    no_options(&Query::parse(call.query)?, "a property")?;
    let column = target::column(&target.table, name)?;
    let key = match &target.key {
        crate::ops::Key::Id(id) => id.to_string(),
        crate::ops::Key::Alternate(..) => "...".to_owned(),
    };
    let shape = PropertyShape {
        context_url: format!(
            "{}$metadata#{}({key})/{name}",
            context.base.url(),
            target.table.def.set
        ),
        wire: name.to_owned(),
    };
    let op = GetOp {
        table: target.table,
        key: target.key,
        projection: Projection {
            columns: Some(vec![column]),
            annotations: Annotations::default(),
        },
    };
    Ok(Planned::Read(ReadOp::Get(op), ReadShape::Property(shape)))
}

/// Plans a read of the number of rows, or of changes since a delta token.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn count(context: Context<'_>, call: &Call<'_>, set: &str) -> Result<Planned, Fault> {
    let table = target::table(context.schema, set)?;
    let mut query = Query::parse(call.query)?;
    if let Some(token) = query.delta_token.take() {
        let op = DeltaOp {
            table: Arc::clone(table),
            projection: Projection::default(),
            since: tokens::read_delta_token(&token)?,
            limit: MAX_PAGE_ROWS,
        };
        return Ok(Planned::Read(ReadOp::Delta(op), ReadShape::DeltaCount));
    }
    let filter = filter(table, &mut query)?;
    query.aliases.clear();
    no_options(&query, "$count")?;
    let op = ListOp {
        table: Arc::clone(table),
        projection: Projection::default(),
        filter,
        order_by: Vec::new(),
        limit: 0,
        paged: false,
        after: None,
        count: true,
    };
    Ok(Planned::Read(ReadOp::Count(op), ReadShape::Count))
}

/// Plans a read of many rows, or of changes.
///
/// # Errors
/// What is wrong with the request.
pub(crate) fn list(context: Context<'_>, call: &Call<'_>, set: &str) -> Result<Planned, Fault> {
    let table = target::table(context.schema, set)?;
    let query = Query::parse(call.query)?;
    if query.expand.is_some() {
        return Err(Fault::not_supported("$expand on rows"));
    }
    let prefer = &call.head.prefer;
    let mut shape = ListShape {
        table: Arc::clone(table),
        address: format!("{}{}", context.base.url(), table.def.set),
        context_url: context_url(context, table, &query),
        applied: prefer.applied_to_list(),
        totals: prefer.wants_totals(),
        remaining: None,
        track_from: None,
        now: context.moment.now,
        query,
    };
    let page_rows = prefer.page_rows.unwrap_or(MAX_PAGE_ROWS);
    let projection = projection(table, &shape.query, prefer.value_annotations())?;
    if prefer.track_changes || shape.query.delta_token.is_some() {
        trackable(context, table, &shape.query)?;
    }
    if let Some(token) = &shape.query.delta_token {
        let op = DeltaOp {
            table: Arc::clone(table),
            projection,
            since: tokens::read_delta_token(token)?,
            limit: page_rows,
        };
        return Ok(Planned::Read(
            ReadOp::Delta(op),
            ReadShape::Delta(Box::new(shape)),
        ));
    }
    let place = place(table, &mut shape, prefer.page_rows)?;
    if prefer.track_changes {
        let started = place.as_ref().and_then(|place| place.version);
        shape.track_from = Some(started.unwrap_or(context.moment.version));
    }
    let limit = shape
        .remaining
        .map_or(page_rows, |rows| rows.min(page_rows));
    let mut asked = shape.query.clone();
    let op = ListOp {
        table: Arc::clone(table),
        projection,
        filter: filter(table, &mut asked)?,
        limit,
        paged: true,
        after: place.map(|place| place.after),
        count: asked.count,
        order_by: order(table, asked)?,
    };
    Ok(Planned::Read(
        ReadOp::List(op),
        ReadShape::List(Box::new(shape)),
    ))
}

/// Where the page starts, when the query continues an earlier one, and how many rows `$top` still
/// wants.
fn place(
    table: &Table,
    shape: &mut ListShape,
    page_rows: Option<u32>,
) -> Result<Option<Place>, Fault> {
    if page_rows.is_none() {
        shape.remaining = shape.query.top;
    }
    let Some(token) = shape.query.skip_token.take() else {
        return Ok(None);
    };
    let place = tokens::read_skip_token(table, &shape.query, &token)?;
    if page_rows.is_none() {
        shape.remaining = place.remaining;
    }
    Ok(Some(place))
}

/// Refuses what changes can't be tracked with.
fn trackable(context: Context<'_>, table: &Table, query: &Query) -> Result<(), Fault> {
    if context.role != Role::Admin {
        return Err(Fault::privilege_denied(
            "Tracking changes needs the right to read all rows: only admins have it.",
        ));
    }
    if !table.def.change_tracking {
        return Err(Fault::new(
            400,
            codes::CHANGE_TRACKING_NOT_ENABLED,
            format!(
                "Change tracking is not enabled for entity '{}'.",
                table.def.logical
            ),
        ));
    }
    let given = [
        ("filter", query.filter.is_some()),
        ("orderby", !query.order_by.is_empty()),
        ("expand", query.expand.is_some()),
        ("top", query.top.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Fault::odata(format!(
            "The \"${option}\" query parameter isn't supported when Change Tracking is enabled."
        ))),
        None => Ok(()),
    }
}

/// The columns asked for.
///
/// # Errors
/// 400 for an unknown one.
pub(crate) fn projection(
    table: &Table,
    query: &Query,
    annotations: Annotations,
) -> Result<Projection, Fault> {
    let columns = query
        .select
        .iter()
        .map(|name| target::column(table, name))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Projection {
        columns: (!columns.is_empty()).then_some(columns),
        annotations,
    })
}

/// `$select` alone makes sense for `what`.
///
/// # Errors
/// 501 for `$expand`, 400 for any other option.
pub(crate) fn only_shape(query: &Query, what: &str) -> Result<(), Fault> {
    if query.expand.is_some() {
        return Err(Fault::not_supported("$expand on rows"));
    }
    let rest = Query {
        select: Vec::new(),
        ..query.clone()
    };
    no_options(&rest, what)
}

fn no_options(query: &Query, what: &str) -> Result<(), Fault> {
    if *query == Query::default() {
        return Ok(());
    }
    Err(Fault::odata(format!(
        "One of these query options doesn't apply to {what}."
    )))
}

fn context_url(context: Context<'_>, table: &Table, query: &Query) -> String {
    row_context_url(context, table, &query.select)
}

/// `.../$metadata#set(columns)`
pub(crate) fn row_context_url(context: Context<'_>, table: &Table, select: &[String]) -> String {
    let mut url = format!("{}$metadata#{}", context.base.url(), table.def.set);
    if !select.is_empty() {
        url.push('(');
        url.push_str(&select.join(","));
        url.push(')');
    }
    url
}

fn order(table: &Table, query: Query) -> Result<Vec<shraga_wire::query::OrderBy>, Fault> {
    for by in &query.order_by {
        target::column(table, &by.column)?;
    }
    Ok(query.order_by)
}

/// Takes the filter out of a query, with its columns checked and its aliases resolved.
fn filter(table: &Table, query: &mut Query) -> Result<Option<Filter>, Fault> {
    let Some(mut filter) = query.filter.take() else {
        return Ok(None);
    };
    resolve(table, query, &mut filter)?;
    Ok(Some(filter))
}

fn resolve(table: &Table, query: &Query, filter: &mut Filter) -> Result<(), Fault> {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts
            .iter_mut()
            .try_for_each(|part| resolve(table, query, part)),
        Filter::Not(inner) => resolve(table, query, inner),
        Filter::Compare(left, _, right) => {
            resolve_operand(table, query, left)?;
            resolve_operand(table, query, right)
        }
        Filter::Text(_, column, operand) => {
            target::column(table, column)?;
            resolve_operand(table, query, operand)
        }
        Filter::In { column, .. } => target::column(table, column).map(|_known| ()),
    }
}

fn resolve_operand(table: &Table, query: &Query, operand: &mut Operand) -> Result<(), Fault> {
    match operand {
        Operand::Column(name) => {
            target::column(table, name)?;
        }
        Operand::Alias(name) => {
            let value = query.aliases.get(name).cloned();
            *operand = Operand::Literal(value.unwrap_or(Literal::Null));
        }
        Operand::Literal(_) => {}
    }
    Ok(())
}

impl ReadShape {
    /// The answer to the request, given the store's.
    pub(crate) fn answer(self, read: Result<ReadAnswer, Fault>) -> Answer {
        match read {
            Ok(answer) => self.shape(answer),
            Err(fault) => fault.into(),
        }
    }

    fn shape(self, answer: ReadAnswer) -> Answer {
        match (self, answer) {
            (Self::Row(shape), ReadAnswer::Found(row)) => shape.answer(&row),
            (Self::Property(shape), ReadAnswer::Found(row)) => shape.answer(&row),
            (Self::List(shape), ReadAnswer::Page(page)) => shape.page(page),
            (Self::Count, ReadAnswer::Count(count)) => number(count),
            (Self::Delta(shape), ReadAnswer::Delta(delta)) => shape.delta(&delta),
            (Self::DeltaCount, ReadAnswer::Delta(delta)) => {
                number(u64::from(delta.len) + delta.deleted.len() as u64)
            }
            (
                _,
                ReadAnswer::Found(_)
                | ReadAnswer::Page(_)
                | ReadAnswer::Count(_)
                | ReadAnswer::Delta(_),
            ) => Fault::unexpected("The store answered another question.").into(),
        }
    }
}

fn number(count: u64) -> Answer {
    Answer {
        status: 200,
        content: crate::http::answer::Content::Text,
        body: count.to_string().into(),
        ..Answer::default()
    }
}

/// A row's JSON object with `@odata.context` in front.
pub(crate) fn with_context(context_url: &str, row: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(row.len() + context_url.len() + 32);
    out.extend_from_slice(b"{\"@odata.context\":");
    json_text(&mut out, context_url);
    let rest = row.strip_prefix(b"{").unwrap_or(row);
    if !rest.starts_with(b"}") {
        out.push(b',');
    }
    out.extend_from_slice(rest);
    out
}

fn json_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("text written to memory is always JSON");
}

impl RowShape {
    fn answer(self, row: &Found) -> Answer {
        let unchanged = match self.unless {
            Tag::Version(version) => version == row.version,
            Tag::Any => true,
            Tag::Absent | Tag::Foreign => false,
        };
        if unchanged {
            return Answer {
                status: 304,
                etag: Some(row.version),
                ..Answer::default()
            };
        }
        Answer {
            etag: Some(row.version),
            ..Answer::json(200, with_context(&self.context_url, &row.row))
        }
        .with_applied(self.applied)
    }
}

impl PropertyShape {
    fn answer(self, row: &Found) -> Answer {
        let cells: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&row.row).unwrap_or_default();
        match cells.get(&self.wire) {
            None | Some(serde_json::Value::Null) => Answer::no_content(),
            Some(value) => Answer::json(
                200,
                serde_json::json!({"@odata.context": self.context_url, "value": value}).to_string(),
            ),
        }
    }
}

impl ListShape {
    fn page(self, page: Page) -> Answer {
        let mut out = Vec::with_capacity(page.rows.len() + 512);
        self.begin(&mut out, &self.context_url);
        if self.totals {
            let total = page.count.map_or(-1, |count| {
                i64::try_from(count.min(MAX_COUNT)).unwrap_or(i64::MAX)
            });
            let exceeded = page.count.is_some_and(|count| count > MAX_COUNT);
            out.extend_from_slice(
                format!(
                    ",\"@Microsoft.Dynamics.CRM.totalrecordcount\":{total},\
                     \"@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded\":{exceeded}"
                )
                .as_bytes(),
            );
        }
        if let Some(count) = page.count {
            let count = count.min(MAX_COUNT);
            out.extend_from_slice(format!(",\"@odata.count\":{count}").as_bytes());
        }
        out.extend_from_slice(b",\"value\":[");
        out.extend_from_slice(&page.rows);
        out.push(b']');
        let remaining = self.remaining.map(|rows| rows.saturating_sub(page.len));
        match (page.next, self.track_from) {
            (Some(_), None) if remaining == Some(0) => {}
            (Some(after), version) => {
                let place = Place {
                    after,
                    remaining,
                    version,
                };
                let token = tokens::skip_token(&self.table, &self.query, place);
                let mut next = self.query;
                next.skip_token = Some(token);
                link(&mut out, "nextLink", &self.address, &next);
            }
            (None, Some(version)) => {
                delta_link(&mut out, &self.address, self.query, version, self.now);
            }
            (None, None) => {}
        }
        out.push(b'}');
        Answer::json(200, out).with_applied(self.applied)
    }

    fn delta(self, delta: &Delta) -> Answer {
        let mut out = Vec::with_capacity(delta.rows.len() + delta.deleted.len() * 160 + 512);
        self.begin(&mut out, &format!("{}/$delta", self.context_url));
        out.extend_from_slice(b",\"value\":[");
        out.extend_from_slice(&delta.rows);
        let base = self.address.strip_suffix(&self.table.def.set).unwrap_or("");
        let deleted_context = format!("{base}$metadata#{}/$deletedEntity", self.table.def.set);
        for (at, id) in delta.deleted.iter().enumerate() {
            if at > 0 || !delta.rows.is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"@odata.context\":");
            json_text(&mut out, &deleted_context);
            out.extend_from_slice(format!(",\"id\":\"{id}\",\"reason\":\"deleted\"}}").as_bytes());
        }
        out.push(b']');
        if delta.more {
            let mut next = self.query;
            next.delta_token = Some(tokens::delta_token(delta.version, self.now));
            link(&mut out, "nextLink", &self.address, &next);
        } else {
            delta_link(&mut out, &self.address, self.query, delta.version, self.now);
        }
        out.push(b'}');
        Answer::json(200, out).with_applied(self.applied)
    }

    fn begin(&self, out: &mut Vec<u8>, context_url: &str) {
        out.extend_from_slice(b"{\"@odata.context\":");
        json_text(out, context_url);
    }
}

fn delta_link(
    out: &mut Vec<u8>,
    address: &str,
    mut query: Query,
    version: i64,
    now: jiff::Timestamp,
) {
    query.skip_token = None;
    query.delta_token = Some(tokens::delta_token(version, now));
    link(out, "deltaLink", address, &query);
}

fn link(out: &mut Vec<u8>, name: &str, address: &str, query: &Query) {
    out.extend_from_slice(format!(",\"@odata.{name}\":").as_bytes());
    json_text(out, &format!("{address}?{}", query.to_query_string()));
}
