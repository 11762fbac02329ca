//! Tables without borders that fit the terminal: one row a line, the widest cells shortened.

use anstyle::Style;
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, presets};

use super::Output;
use super::clean::one_line;

/// A table in the making.
#[derive(Debug)]
pub struct Table(comfy_table::Table);

impl Table {
    /// An empty table with these column headings.
    #[must_use]
    pub fn new(output: &Output, headings: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING).force_no_tty();
        table.set_truncation_indicator("\u{2026}");
        if let Some(width) = output.width() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width);
        }
        let cells = headings
            .iter()
            .map(|text| Cell::new(text).add_attribute(comfy_table::Attribute::Dim));
        table.set_header(cells);
        table.enforce_styling();
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self(table)
    }

    /// These columns are never shortened.
    pub fn keep(&mut self, columns: &[usize]) {
        for &index in columns {
            if let Some(column) = self.0.column_mut(index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }

    /// Adds a row; the text is neutralised here.
    pub fn row<I: IntoIterator<Item = (String, Style)>>(&mut self, cells: I) {
        let cells = cells
            .into_iter()
            .map(|(text, style)| styled(Cell::new(one_line(&text)), style));
        let mut row = comfy_table::Row::from(cells);
        row.max_height(1);
        self.0.add_row(row);
    }

    /// The table as text, without trailing spaces.
    #[must_use]
    pub fn print(&self) -> String {
        self.lines().join("\n")
    }

    /// The same line by line, the headings first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.lines().map(|line| trimmed(&line)).collect()
    }
}

fn styled(cell: Cell, style: Style) -> Cell {
    use anstyle::AnsiColor as Ansi;
    match style.get_fg_color() {
        Some(anstyle::Color::Ansi(Ansi::Green)) => cell.fg(Color::Green),
        Some(anstyle::Color::Ansi(Ansi::Red)) => cell.fg(Color::Red),
        Some(anstyle::Color::Ansi(Ansi::Yellow)) => cell.fg(Color::Yellow),
        Some(anstyle::Color::Ansi(Ansi::Cyan)) => cell.fg(Color::Cyan),
        Some(anstyle::Color::Ansi(Ansi::Magenta)) => cell.fg(Color::Magenta),
        Some(_) | None if style == super::paint::DIM => {
            cell.add_attribute(comfy_table::Attribute::Dim)
        }
        Some(_) | None => cell,
    }
}

/// The line without the blanks that fill its last cell, styled or not.
fn trimmed(line: &str) -> String {
    const RESET: &str = "\x1b[0m";
    let mut end = line.trim_end();
    let mut styled = false;
    while let Some(rest) = end.strip_suffix(RESET) {
        styled = true;
        end = rest.trim_end();
    }
    if styled {
        format!("{end}{RESET}")
    } else {
        end.to_owned()
    }
}
