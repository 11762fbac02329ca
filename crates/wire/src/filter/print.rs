//! Prints filters as OData text that [`super::parse`] reads back to the same tree.
//!
//! Two trees have no text of their own and are printed as comparisons of constants: an empty
//! conjunction (`1 eq 1`) and an empty disjunction (`1 eq 2`). Numbers that are not finite, which
//! no text parses to, are printed as `null`.

use std::fmt::{self, Display, Formatter, Write};

use super::{Filter, Literal, Operand};

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => joined(f, parts, " and ", "1 eq 1"),
            Self::Or(parts) => joined(f, parts, " or ", "1 eq 2"),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::Compare(left, comparison, right) => {
                write!(f, "{left} {} {right}", comparison.as_str())
            }
            Self::Text(function, column, needle) => {
                write!(f, "{}({column},{needle})", function.as_str())
            }
            Self::In {
                column,
                values,
                negated,
            } => in_list(f, column, values, *negated),
        }
    }
}

fn joined(f: &mut Formatter<'_>, parts: &[Filter], word: &str, empty: &str) -> fmt::Result {
    if parts.is_empty() {
        return f.write_str(empty);
    }
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(word)?;
        }
        let nested = matches!(part, Filter::And(inner) | Filter::Or(inner) if inner.len() > 1);
        if nested {
            write!(f, "({part})")?;
        } else {
            part.fmt(f)?;
        }
    }
    Ok(())
}

fn in_list(f: &mut Formatter<'_>, column: &str, values: &[Literal], negated: bool) -> fmt::Result {
    let name = if negated { "NotIn" } else { "In" };
    write!(f, "Microsoft.Dynamics.CRM.{name}(PropertyName=")?;
    quoted(f, column)?;
    f.write_str(",PropertyValues=[")?;
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            f.write_char(',')?;
        }
        listed(f, value)?;
    }
    f.write_str("])")
}

/// The list holds strings, whatever the column is.
fn listed(f: &mut Formatter<'_>, value: &Literal) -> fmt::Result {
    match value {
        Literal::Null | Literal::Text(_) => value.fmt(f),
        Literal::Bool(_)
        | Literal::Int(_)
        | Literal::Decimal(_)
        | Literal::Guid(_)
        | Literal::DateTime(_) => write!(f, "'{value}'"),
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) => f.write_str(name),
            Self::Literal(literal) => literal.fmt(f),
            Self::Alias(name) => write!(f, "@{name}"),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(flag) => flag.fmt(f),
            Self::Int(number) => number.fmt(f),
            Self::Decimal(number) if number.is_finite() => write!(f, "{number:?}"),
            Self::Decimal(_) => f.write_str("null"),
            Self::Guid(id) => id.fmt(f),
            Self::DateTime(at) => at.fmt(f),
            Self::Text(text) => quoted(f, text),
        }
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('\'')?;
    for (i, piece) in text.split('\'').enumerate() {
        if i > 0 {
            f.write_str("''")?;
        }
        f.write_str(piece)?;
    }
    f.write_char('\'')
}
