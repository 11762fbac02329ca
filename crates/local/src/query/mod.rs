//! Conditions, orders and page starts as SQL.
//!
//! A `$filter` tree means what OData says, in two-valued logic: `null eq null` is true, `x ne null`
//! asks for a value, any other comparison with null is false, and `not` turns that around. SQL's
//! third truth value never escapes: a condition is only ever asked for being true, and `not` is
//! written as `IS NOT TRUE`.
//!
//! Values are bound as parameters, except those an index of the table mentions in its condition:
//! they are printed, so that the planner recognises the index as fitting.

mod order;
#[cfg(test)]
mod tests;
mod value;

use shraga_wire::fault::Fault;
use shraga_wire::filter::{Comparison, Filter, Literal, Operand, TextFunction};

use crate::ops::{Cell, Principal};
use crate::schema::Table;
use crate::sql;

pub(crate) use order::{Order, orders};

/// How deep a filter may nest. Deeper trees come only from attacks and would exhaust the stack.
const MAX_DEPTH: usize = 100;

/// How many conditions are joined without parentheses between them. Longer chains are halved: the
/// engine's tree is as deep as a chain is long and may not be deeper than 1,000.
const MAX_CHAIN: usize = 8;

/// The longest text that may be searched for, in characters. A search takes text times pattern at
/// worst, and nothing interrupts it.
const MAX_PATTERN: usize = 1_000;

/// A piece of SQL and the parameters of its question marks, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sql {
    /// The text.
    pub(crate) text: String,
    /// The parameters.
    pub(crate) params: Vec<Param>,
}

/// What is bound to a question mark.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Param {
    /// A value.
    Cell(Cell),
    /// Something about the caller, which only access rules may ask for.
    Caller(Fact, value::Form),
}

/// What an access rule may ask about the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// `@me`: the user.
    Me,
    /// `@worker`: the worker's identity.
    Worker,
    /// `@pool`: the pool its token names.
    Pool,
    /// `@slots`: the most slots its token allows.
    Slots,
    /// `@labels`: the labels its token names, as a list without spaces.
    Labels,
}

impl Fact {
    fn parse(alias: &str) -> Option<Self> {
        match alias {
            "me" => Some(Self::Me),
            "worker" => Some(Self::Worker),
            "pool" => Some(Self::Pool),
            "slots" => Some(Self::Slots),
            "labels" => Some(Self::Labels),
            _ => None,
        }
    }

    fn of(self, who: &Principal) -> Cell {
        let claim = who.worker.as_ref();
        match self {
            Self::Me => Cell::Id(who.user),
            Self::Worker => claim.map_or(Cell::Null, |c| Cell::Id(c.id)),
            Self::Pool => claim.map_or(Cell::Null, |c| Cell::Text(c.pool.clone())),
            Self::Slots => claim.map_or(Cell::Null, |c| Cell::Int(i64::from(c.slots))),
            Self::Labels => claim.map_or(Cell::Null, |c| Cell::Text(listed(&c.labels))),
        }
    }
}

/// A list of words in the one form in which lists are compared.
fn listed(words: &str) -> String {
    let words = words.split(',').map(str::trim).filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join(",")
}

impl Sql {
    /// Adds another piece.
    pub(crate) fn push(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.params.extend(other.params.iter().cloned());
    }

    /// Adds a question mark for a value.
    pub(crate) fn push_cell(&mut self, cell: Cell) {
        self.text.push('?');
        self.params.push(Param::Cell(cell));
    }
}

impl Param {
    /// The value to bind when `who` asks.
    pub(crate) fn cell(&self, who: &Principal) -> Cell {
        match self {
            Self::Cell(cell) => cell.clone(),
            Self::Caller(fact, form) => form.shape(fact.of(who)),
        }
    }
}

/// A filter a caller wrote.
///
/// # Errors
/// 400 for a column that doesn't exist or a value its kind can't be compared with.
pub(crate) fn filter(table: &Table, filter: &Filter) -> Result<Sql, Fault> {
    compile(table, filter, Mode::Caller)
}

/// A condition of an access rule, in which aliases are facts about the caller.
///
/// # Errors
/// 400 if it can't be parsed or doesn't fit the table.
pub(crate) fn rule(table: &Table, text: &str) -> Result<Sql, Fault> {
    compile(table, &parse(text)?, Mode::Rule)
}

/// A condition as SQL without parameters, as an index needs it.
///
/// # Errors
/// 400 if it can't be parsed or doesn't fit the table.
pub(crate) fn literal_condition(table: &Table, text: &str) -> Result<String, Fault> {
    Ok(compile(table, &parse(text)?, Mode::Literal)?.text)
}

fn parse(text: &str) -> Result<Filter, Fault> {
    text.parse()
        .map_err(|e| Fault::invalid_argument(format!("Condition '{text}': {e}")))
}

/// The literals that a condition mentions; none if it can't be parsed.
pub(crate) fn mentioned(condition: &str) -> Vec<Literal> {
    let mut literals = Vec::new();
    if let Ok(filter) = condition.parse() {
        collect(&filter, &mut literals);
    }
    literals
}

fn collect(filter: &Filter, literals: &mut Vec<Literal>) {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().for_each(|f| collect(f, literals)),
        Filter::Not(inner) => collect(inner, literals),
        Filter::Compare(a, _, b) => {
            for operand in [a, b] {
                if let Operand::Literal(literal) = operand {
                    literals.push(literal.clone());
                }
            }
        }
        Filter::In { values, .. } => literals.extend(values.iter().cloned()),
        Filter::Text(..) => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A filter a caller wrote: aliases mean null.
    Caller,
    /// An access rule: aliases are facts about the caller.
    Rule,
    /// An index: every value is printed, aliases are refused.
    Literal,
}

fn compile(table: &Table, filter: &Filter, mode: Mode) -> Result<Sql, Fault> {
    let mut compiler = Compiler {
        table,
        mode,
        out: Sql::default(),
    };
    compiler.filter(filter, 0)?;
    Ok(compiler.out)
}

struct Compiler<'a> {
    table: &'a Table,
    mode: Mode,
    out: Sql,
}

impl Compiler<'_> {
    fn filter(&mut self, filter: &Filter, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::odata(format!(
                "The filter is nested more than {MAX_DEPTH} levels deep."
            )));
        }
        match filter {
            Filter::And(all) => self.join(all, " AND ", "TRUE", depth),
            Filter::Or(any) => self.join(any, " OR ", "FALSE", depth),
            Filter::Not(inner) => {
                self.text("((");
                self.filter(inner, depth + 1)?;
                self.text(") IS NOT TRUE)");
                Ok(())
            }
            Filter::Compare(left, comparison, right) => self.compare(left, *comparison, right),
            Filter::Text(function, column, operand) => self.function(*function, column, operand),
            Filter::In {
                column,
                values,
                negated,
            } => self.among(column, values, *negated),
        }
    }

    fn text(&mut self, text: &str) {
        self.out.text.push_str(text);
    }

    fn join(
        &mut self,
        filters: &[Filter],
        word: &str,
        empty: &str,
        depth: usize,
    ) -> Result<(), Fault> {
        if filters.is_empty() {
            self.text(empty);
            return Ok(());
        }
        self.text("(");
        if filters.len() > MAX_CHAIN {
            let (left, right) = filters.split_at(filters.len() / 2);
            self.join(left, word, empty, depth)?;
            self.text(word);
            self.join(right, word, empty, depth)?;
        } else {
            for (i, filter) in filters.iter().enumerate() {
                if i > 0 {
                    self.text(word);
                }
                self.filter(filter, depth + 1)?;
            }
        }
        self.text(")");
        Ok(())
    }

    fn compare(&mut self, a: &Operand, by: Comparison, b: &Operand) -> Result<(), Fault> {
        match (a, b) {
            (Operand::Column(a), Operand::Column(b)) => self.columns(a, by, b),
            (Operand::Column(column), Operand::Literal(literal)) => {
                self.literal(column, by, literal)
            }
            (Operand::Literal(literal), Operand::Column(column)) => {
                self.literal(column, mirrored(by), literal)
            }
            (Operand::Column(column), Operand::Alias(alias)) => self.alias(column, by, alias),
            (Operand::Alias(alias), Operand::Column(column)) => {
                self.alias(column, mirrored(by), alias)
            }
            (Operand::Literal(_) | Operand::Alias(_), Operand::Literal(_) | Operand::Alias(_)) => {
                Err(Fault::odata(
                    "A comparison in $filter needs a column on one side.",
                ))
            }
        }
    }

    fn columns(&mut self, a: &str, by: Comparison, b: &str) -> Result<(), Fault> {
        let (a, b) = (value::column(self.table, a)?, value::column(self.table, b)?);
        value::check_comparable(self.table, a, b)?;
        self.column(a);
        self.text(match by {
            Comparison::Eq => " IS NOT DISTINCT FROM ",
            other => operator(other),
        });
        self.column(b);
        Ok(())
    }

    fn column(&mut self, column: usize) {
        sql::push_column(&mut self.out.text, &self.table.columns[column].logical);
    }

    fn literal(&mut self, column: &str, by: Comparison, literal: &Literal) -> Result<(), Fault> {
        let column = value::column(self.table, column)?;
        let cell = value::cell(self.table, column, literal)?;
        if cell != Cell::Null {
            self.column(column);
            self.text(operator(by));
            self.value(column, cell);
            return Ok(());
        }
        let test = match by {
            Comparison::Eq => " IS NULL",
            Comparison::Ne => " IS NOT NULL",
            Comparison::Gt | Comparison::Ge | Comparison::Lt | Comparison::Le => {
                self.text("FALSE");
                return Ok(());
            }
        };
        self.column(column);
        self.text(test);
        Ok(())
    }

    fn value(&mut self, column: usize, cell: Cell) {
        if self.mode == Mode::Literal || self.table.prints(column, &cell) {
            sql::push_literal(&mut self.out.text, &cell);
        } else {
            self.out.push_cell(cell);
        }
    }

    fn alias(&mut self, column: &str, by: Comparison, alias: &str) -> Result<(), Fault> {
        if self.mode == Mode::Caller {
            return self.literal(column, by, &Literal::Null);
        }
        let column = value::column(self.table, column)?;
        self.column(column);
        self.text(operator(by));
        self.fact(column, alias)
    }

    fn fact(&mut self, column: usize, alias: &str) -> Result<(), Fault> {
        let form = value::Form::of(&self.table.columns[column].kind);
        match Fact::parse(alias) {
            Some(fact) if self.mode == Mode::Rule => {
                self.text("?");
                self.out.params.push(Param::Caller(fact, form));
                Ok(())
            }
            _ => Err(Fault::invalid_argument(format!(
                "'@{alias}' has no meaning in this condition."
            ))),
        }
    }

    fn function(
        &mut self,
        function: TextFunction,
        column: &str,
        operand: &Operand,
    ) -> Result<(), Fault> {
        let column = value::text_column(self.table, column)?;
        self.text(match function {
            TextFunction::Contains => sql::CONTAINS,
            TextFunction::StartsWith => sql::STARTS_WITH,
            TextFunction::EndsWith => sql::ENDS_WITH,
        });
        self.text("(");
        self.column(column);
        self.text(", ");
        match operand {
            Operand::Literal(literal) => {
                let cell = value::cell(self.table, column, literal)?;
                check_pattern(&cell)?;
                self.value(column, cell);
            }
            Operand::Alias(_) if self.mode == Mode::Caller => self.text("NULL"),
            Operand::Alias(alias) => self.fact(column, alias)?,
            Operand::Column(other) => {
                let other = value::text_column(self.table, other)?;
                self.column(other);
            }
        }
        self.text(")");
        Ok(())
    }

    fn among(&mut self, column: &str, values: &[Literal], negated: bool) -> Result<(), Fault> {
        let column = value::column(self.table, column)?;
        let cells = values
            .iter()
            .map(|literal| value::listed_cell(self.table, column, literal))
            .collect::<Result<Vec<_>, _>>()?;
        let null = cells.contains(&Cell::Null);
        self.text(if negated { "((" } else { "(" });
        self.column(column);
        self.text(" IN (");
        for (i, cell) in cells.into_iter().filter(|c| *c != Cell::Null).enumerate() {
            if i > 0 {
                self.text(", ");
            }
            self.value(column, cell);
        }
        self.text(")");
        if null {
            self.text(" OR ");
            self.column(column);
            self.text(" IS NULL");
        }
        self.text(if negated { ") IS NOT TRUE)" } else { ")" });
        Ok(())
    }
}

fn check_pattern(cell: &Cell) -> Result<(), Fault> {
    match cell {
        Cell::Text(text) if text.chars().count() > MAX_PATTERN => Err(Fault::odata(format!(
            "A text to search for may have {MAX_PATTERN} characters at most."
        ))),
        Cell::Null | Cell::Int(_) | Cell::Real(_) | Cell::Text(_) | Cell::Id(_) => Ok(()),
    }
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => " = ",
        Comparison::Ne => " IS DISTINCT FROM ",
        Comparison::Gt => " > ",
        Comparison::Ge => " >= ",
        Comparison::Lt => " < ",
        Comparison::Le => " <= ",
    }
}

/// The comparison with its sides exchanged.
fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Eq => Comparison::Eq,
        Comparison::Ne => Comparison::Ne,
        Comparison::Gt => Comparison::Lt,
        Comparison::Ge => Comparison::Le,
        Comparison::Lt => Comparison::Gt,
        Comparison::Le => Comparison::Ge,
    }
}
