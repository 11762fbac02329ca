//! A plan as people read it: what `shraga plan` prints, and what scenario files expect.

use std::fmt;

use super::{Loop, Need, Plan};
use crate::row::{ChangeSet, Column, Condition, Table, Value, Write, events, tasks};
use crate::status::TaskStatus;

/// Longer values are cut: a plan is read, not replayed. A lease fits.
const VALUE_CHARS: usize = 200;

impl fmt::Display for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repair => "repair",
            Self::Health => "health",
            Self::Sync => "sync",
            Self::Mirror => "mirror",
            Self::Assign => "assign",
        })
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(id) => write!(f, "task {id}"),
            Self::Mirror(id) => write!(f, "the row at {id}"),
            Self::MirrorsOf(id) => write!(f, "mirrors of task {id}"),
            Self::Event(id) => write!(f, "event {id}"),
            Self::Carried(id) => write!(f, "result of {id}"),
            Self::Person(id) => write!(f, "person {id}"),
            Self::Late(id) => write!(f, "late results of {id}"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = self.by;
        for set in &self.sets {
            write!(f, "{by}: {set}")?;
        }
        for (task, reason) in &self.waiting {
            writeln!(f, "{by}: task {} waits: {reason}", task.short())?;
        }
        for need in &self.needs {
            writeln!(f, "{by}: needs {need}")?;
        }
        for note in &self.notes {
            writeln!(f, "{by}: note: {note}")?;
        }
        match self.due {
            Some(due) => writeln!(f, "{by}: due {due}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ChangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.why)?;
        self.writes.iter().try_for_each(|write| write.fmt(f))
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.table == Table::Events {
            return event(self, f);
        }
        let table = self.table.name();
        match &self.condition {
            Condition::Absent => writeln!(f, "  create {table} {}", self.id)?,
            Condition::Version(etag) => writeln!(f, "  update {table} {} if {etag}", self.id)?,
        }
        let visible = self
            .cells
            .iter()
            .filter(|(column, _)| *column != tasks::EVENT_HEAD);
        for (column, value) in visible {
            // Sums are read to the end, or not at all.
            let whole = *column == tasks::USAGE;
            let value_text = if whole {
                value.to_string()
            } else {
                shortened(value)
            };
            write!(f, "    {} = {value_text}", column.name())?;
            match status(*column, value) {
                Some(status) => writeln!(f, " {status}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

/// The name of a task's status, which on the wire is a number.
fn status(column: Column, value: &Value) -> Option<TaskStatus> {
    match value {
        Value::Int(code) if column == tasks::STATUS => TaskStatus::try_from(*code).ok(),
        Value::Int(_) | Value::Null | Value::Text(_) | Value::Bool(_) | Value::Time(_) => None,
    }
}

/// An event's identity and hash say nothing to a reader; its number, kind and line do.
fn event(write: &Write, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let cell = |column| {
        write
            .get(column)
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    let kind = cell(events::KIND);
    writeln!(
        f,
        "  event {} {} {}",
        cell(events::SEQUENCE),
        kind.trim_matches('"'),
        cell(events::NAME)
    )
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= VALUE_CHARS {
        return text;
    }
    let kept: String = text.chars().take(VALUE_CHARS).collect();
    format!("{kept}…")
}
