//! Short words for filter trees, so that a question reads like its `$filter`.

use shraga_core::ids::UserId;
use shraga_core::row::Column;
use shraga_core::status::TaskStatus;
use shraga_core::time::Timestamp;
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::OrderBy;
use uuid::Uuid;

/// `column eq value`
pub(crate) fn eq(column: Column, value: Literal) -> Filter {
    compare(column.name(), Comparison::Eq, value)
}

/// `column ne value`
pub(crate) fn ne(column: Column, value: Literal) -> Filter {
    compare(column.name(), Comparison::Ne, value)
}

/// `column OP value`
pub(crate) fn compare(column: &str, by: Comparison, value: Literal) -> Filter {
    Filter::Compare(
        Operand::Column(column.to_owned()),
        by,
        Operand::Literal(value),
    )
}

/// `cr_status eq N`
pub(crate) fn status(status: TaskStatus) -> Filter {
    use shraga_core::row::tasks::STATUS;
    eq(STATUS, Literal::Int(status.code()))
}

/// `(cr_status eq N or cr_status eq M ...)`
pub(crate) fn any_status(of: &[TaskStatus]) -> Filter {
    Filter::Or(of.iter().map(|each| status(*each)).collect())
}

/// `_ownerid_value OP user`
pub(crate) fn owner_is(by: Comparison, user: UserId) -> Filter {
    compare("_ownerid_value", by, Literal::Guid(user.get()))
}

/// `column In (ids)`, for identity columns.
pub(crate) fn id_in(column: &str, ids: impl IntoIterator<Item = Uuid>) -> Filter {
    within(column, ids.into_iter().map(Literal::Guid).collect())
}

/// `column In (ids)`, for text columns that hold identities.
pub(crate) fn text_in(column: Column, ids: impl IntoIterator<Item = Uuid>) -> Filter {
    within(column.name(), texts(ids))
}

/// `column NotIn (ids)`, for text columns that hold identities.
pub(crate) fn text_not_in(column: Column, ids: impl IntoIterator<Item = Uuid>) -> Filter {
    Filter::In {
        column: column.name().to_owned(),
        values: texts(ids),
        negated: true,
    }
}

fn texts(ids: impl IntoIterator<Item = Uuid>) -> Vec<Literal> {
    let text = |id: Uuid| Literal::Text(id.to_string());
    ids.into_iter().map(text).collect()
}

fn within(column: &str, values: Vec<Literal>) -> Filter {
    Filter::In {
        column: column.to_owned(),
        values,
        negated: false,
    }
}

/// A point in time as the wire writes it.
pub(crate) fn time(at: Timestamp) -> Literal {
    Literal::DateTime(jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default())
}

/// `$orderby=column`
pub(crate) fn by(column: &str) -> OrderBy {
    OrderBy {
        column: column.to_owned(),
        descending: false,
    }
}

/// `$orderby=column desc`
pub(crate) fn by_descending(column: &str) -> OrderBy {
    OrderBy {
        column: column.to_owned(),
        descending: true,
    }
}
