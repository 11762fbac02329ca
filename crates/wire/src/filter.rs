//! The `$filter` language as a tree.
//!
//! Filters are built from this tree, never from strings; [`std::fmt::Display`] prints OData text
//! (not percent-encoded) and [`str::parse`] reads it back.

use uuid::Uuid;

mod absent;
mod lex;
mod parse;
mod print;
#[cfg(test)]
mod tests;

pub use absent::Reduced;
pub use parse::{MAX_DEPTH, MAX_TERMS, ParseError, parse_literal};

/// A condition on a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of them; true when empty.
    And(Vec<Self>),
    /// Any of them; false when empty.
    Or(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// A comparison of two operands.
    Compare(Operand, Comparison, Operand),
    /// A string function of a column and an operand.
    Text(TextFunction, String, Operand),
    /// `Microsoft.Dynamics.CRM.In` (or `NotIn` when negated): the column's value is one of these.
    In {
        /// The column.
        column: String,
        /// The values.
        values: Vec<Literal>,
        /// Whether it is `NotIn`.
        negated: bool,
    },
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`
    Eq,
    /// `ne`
    Ne,
    /// `gt`
    Gt,
    /// `ge`
    Ge,
    /// `lt`
    Lt,
    /// `le`
    Le,
}

/// A string function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFunction {
    /// `contains`
    Contains,
    /// `startswith`
    StartsWith,
    /// `endswith`
    EndsWith,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A column by its wire name (`cr_name`, `_ownerid_value`).
    Column(String),
    /// A constant.
    Literal(Literal),
    /// A parameter alias without its `@`; unassigned means null.
    Alias(String),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction or exponent.
    Decimal(f64),
    /// An unquoted GUID. A quoted one is text and is converted where a GUID is expected.
    Guid(Uuid),
    /// A date or a point in time, whole or fractional seconds.
    DateTime(jiff::Timestamp),
    /// Quoted text, unescaped.
    Text(String),
}

impl Filter {
    /// Both of them. Conjunctions are joined, not nested.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut all = match self {
            Self::And(all) => all,
            one => vec![one],
        };
        match other {
            Self::And(more) => all.extend(more),
            one => all.push(one),
        }
        Self::And(all)
    }

    /// Either of them. Disjunctions are joined, not nested.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut any = match self {
            Self::Or(any) => any,
            one => vec![one],
        };
        match other {
            Self::Or(more) => any.extend(more),
            one => any.push(one),
        }
        Self::Or(any)
    }

    /// A column compared with a constant.
    #[must_use]
    pub fn compare(column: &str, comparison: Comparison, value: impl Into<Literal>) -> Self {
        Self::Compare(
            Operand::Column(column.to_owned()),
            comparison,
            Operand::Literal(value.into()),
        )
    }

    /// `column eq value`
    #[must_use]
    pub fn eq(column: &str, value: impl Into<Literal>) -> Self {
        Self::compare(column, Comparison::Eq, value)
    }

    /// `column ne value`: true too where the column is null.
    #[must_use]
    pub fn ne(column: &str, value: impl Into<Literal>) -> Self {
        Self::compare(column, Comparison::Ne, value)
    }

    /// `column gt value`
    #[must_use]
    pub fn gt(column: &str, value: impl Into<Literal>) -> Self {
        Self::compare(column, Comparison::Gt, value)
    }

    /// `column ge value`
    #[must_use]
    pub fn ge(column: &str, value: impl Into<Literal>) -> Self {
        Self::compare(column, Comparison::Ge, value)
    }

    /// `column lt value`
    #[must_use]
    pub fn lt(column: &str, value: impl Into<Literal>) -> Self {
        Self::compare(column, Comparison::Lt, value)
    }

    /// `column le value`
    #[must_use]
    pub fn le(column: &str, value: impl Into<Literal>) -> Self {
        Self::compare(column, Comparison::Le, value)
    }

    /// The column is null.
    #[must_use]
    pub fn is_null(column: &str) -> Self {
        Self::eq(column, Literal::Null)
    }

    /// The column is one of these values.
    #[must_use]
    pub fn is_in<L: Into<Literal>>(column: &str, values: impl IntoIterator<Item = L>) -> Self {
        Self::In {
            column: column.to_owned(),
            values: values.into_iter().map(Into::into).collect(),
            negated: false,
        }
    }

    /// Applies `rename` to the name of every column.
    pub fn rename_columns(&mut self, rename: &impl Fn(&str) -> String) {
        let operand = |operand: &mut Operand| {
            if let Operand::Column(name) = operand {
                *name = rename(name);
            }
        };
        match self {
            Self::And(parts) | Self::Or(parts) => {
                for part in parts {
                    part.rename_columns(rename);
                }
            }
            Self::Not(inner) => inner.rename_columns(rename),
            Self::Compare(left, _, right) => {
                operand(left);
                operand(right);
            }
            Self::Text(_, column, needle) => {
                *column = rename(column);
                operand(needle);
            }
            Self::In { column, .. } => *column = rename(column),
        }
    }
}

impl Comparison {
    /// The operator's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

impl TextFunction {
    /// The function's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "contains",
            Self::StartsWith => "startswith",
            Self::EndsWith => "endswith",
        }
    }
}

impl From<bool> for Literal {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i64> for Literal {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Uuid> for Literal {
    fn from(id: Uuid) -> Self {
        Self::Guid(id)
    }
}

impl From<jiff::Timestamp> for Literal {
    fn from(at: jiff::Timestamp) -> Self {
        Self::DateTime(at)
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
