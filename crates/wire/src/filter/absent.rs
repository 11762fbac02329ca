//! What a filter comes to when some columns don't exist: they are null in every row.
//!
//! It never asks for a column that isn't there, and is true of exactly the rows that the filter
//! would be true of if the columns existed and were empty.

use super::{Comparison, Filter, Literal, Operand};

/// A filter without the columns that are absent.
#[derive(Clone, Debug, PartialEq)]
pub enum Reduced {
    /// It is true of every row.
    Always,
    /// It is true of no row.
    Never,
    /// It still depends on the row.
    Depends(Filter),
}

impl Filter {
    /// The same filter where no row has a value in a column that `absent` says yes to.
    #[must_use]
    pub fn without(&self, absent: &impl Fn(&str) -> bool) -> Reduced {
        match self {
            Self::And(parts) => {
                let parts = parts.iter().map(|part| part.without(absent));
                join(parts, Self::And, Reduced::Always, &Reduced::Never)
            }
            Self::Or(parts) => {
                let parts = parts.iter().map(|part| part.without(absent));
                join(parts, Self::Or, Reduced::Never, &Reduced::Always)
            }
            Self::Not(inner) => match inner.without(absent) {
                Reduced::Always => Reduced::Never,
                Reduced::Never => Reduced::Always,
                Reduced::Depends(inner) => Reduced::Depends(Self::Not(Box::new(inner))),
            },
            Self::Compare(left, by, right) => compare(left, *by, right, absent),
            Self::Text(_, column, needle) if absent(column) || is_absent(needle, absent) => {
                Reduced::Never
            }
            Self::In {
                column, negated, ..
            } if absent(column) => settled(*negated),
            Self::Text(..) | Self::In { .. } => Reduced::Depends(self.clone()),
        }
    }
}

fn compare(
    left: &Operand,
    by: Comparison,
    right: &Operand,
    absent: &impl Fn(&str) -> bool,
) -> Reduced {
    let (left_absent, right_absent) = (is_absent(left, absent), is_absent(right, absent));
    let other = match (left_absent, right_absent) {
        (false, false) => {
            return Reduced::Depends(Filter::Compare(left.clone(), by, right.clone()));
        }
        (true, true) => &Operand::Literal(Literal::Null),
        (true, false) => right,
        (false, true) => left,
    };
    let null = matches!(other, Operand::Literal(Literal::Null));
    match (by, other) {
        (Comparison::Eq, Operand::Literal(_)) => settled(null),
        (Comparison::Ne, Operand::Literal(_)) => settled(!null),
        (Comparison::Eq | Comparison::Ne, Operand::Column(_) | Operand::Alias(_)) => {
            let null = Operand::Literal(Literal::Null);
            Reduced::Depends(Filter::Compare(other.clone(), by, null))
        }
        (Comparison::Gt | Comparison::Ge | Comparison::Lt | Comparison::Le, _) => Reduced::Never,
    }
}

fn is_absent(operand: &Operand, absent: &impl Fn(&str) -> bool) -> bool {
    matches!(operand, Operand::Column(name) if absent(name))
}

const fn settled(holds: bool) -> Reduced {
    if holds {
        Reduced::Always
    } else {
        Reduced::Never
    }
}

/// Joins parts: those equal to `neutral` don't count, one equal to `decisive` decides.
fn join(
    parts: impl Iterator<Item = Reduced>,
    whole: fn(Vec<Filter>) -> Filter,
    neutral: Reduced,
    decisive: &Reduced,
) -> Reduced {
    let mut left = Vec::new();
    for part in parts {
        match part {
            Reduced::Depends(filter) => left.push(filter),
            part if part == *decisive => return part,
            Reduced::Always | Reduced::Never => {}
        }
    }
    match left.len() {
        0 => neutral,
        1 => left.pop().map_or(neutral, Reduced::Depends),
        _ => Reduced::Depends(whole(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reduced(text: &str) -> String {
        let filter: Filter = text.parse().unwrap();
        match filter.without(&|column| column.starts_with("no_")) {
            Reduced::Always => "always".to_owned(),
            Reduced::Never => "never".to_owned(),
            Reduced::Depends(filter) => filter.to_string(),
        }
    }

    #[test]
    fn a_column_that_is_not_there_is_null_in_every_row() {
        for (filter, left) in [
            ("no_a eq null", "always"),
            ("no_a ne null", "never"),
            ("no_a eq 5", "never"),
            ("no_a ne 5", "always"),
            ("no_a gt 5", "never"),
            ("not (no_a eq 5)", "always"),
            ("contains(no_a,'x')", "never"),
            ("no_a eq b", "b eq null"),
            ("b eq 5 and no_a eq null", "b eq 5"),
            ("b eq 5 and no_a eq 1", "never"),
            ("b eq 5 or no_a eq 1", "b eq 5"),
            ("b eq 5 or no_a eq null", "always"),
            ("b eq 5 and (c eq 1 or no_a eq 1)", "b eq 5 and c eq 1"),
            ("b eq 5 and c eq 1", "b eq 5 and c eq 1"),
        ] {
            assert_eq!(reduced(filter), left, "{filter}");
        }
    }
}
