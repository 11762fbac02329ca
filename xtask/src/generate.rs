//! Files of the repository that are made from the program itself, so that they can't tell lies:
//! `docs/cli.md`, every verb's help, and `docs/schema.md`, the tables it wants.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{interop, run, tree};

/// Columns that help texts are wrapped to, whatever the terminal.
const HELP_COLUMNS: &str = "100";

mod tables;

/// What makes a page.
type Make = fn() -> Result<String>;

/// Files below `docs`, and what makes them.
const PAGES: [(&str, Make); 2] = [("cli.md", cli), ("schema.md", tables::page)];

/// Writes the files.
pub(crate) fn write() -> Result<()> {
    for (name, make) in PAGES {
        let path = page(name);
        fs::write(&path, make()?).with_context(|| format!("writing {}", path.display()))?;
        println!("generate: {}", path.display());
    }
    Ok(())
}

/// Fails when a file differs from what the program would make now.
pub(crate) fn check() -> Result<()> {
    for (name, make) in PAGES {
        let path = page(name);
        let committed =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        if committed != make()? {
            bail!(
                "{} is out of date: run `cargo xtask generate`",
                path.display()
            );
        }
        println!("generated: docs/{name} is what the program says");
    }
    Ok(())
}

fn page(name: &str) -> PathBuf {
    tree::root().join("docs").join(name)
}

/// The help of the program and of each verb, as Markdown.
fn cli() -> Result<String> {
    let shraga = interop::built()?;
    let help = |verbs: &[&str]| help(&shraga, verbs);
    let top = help(&[])?;
    let mut page = String::from(
        "# The command line\n\nMade by `cargo xtask generate` from the program's own help; \
         `cargo xtask ci` checks it.\n",
    );
    section(&mut page, "shraga", &top)?;
    for verb in verbs(&top).into_iter().filter(|verb| verb != "help") {
        let text = help(&[&verb])?;
        section(&mut page, &format!("shraga {verb}"), &text)?;
        for inner in verbs(&text).into_iter().filter(|inner| inner != "help") {
            section(
                &mut page,
                &format!("shraga {verb} {inner}"),
                &help(&[&verb, &inner])?,
            )?;
        }
    }
    Ok(page)
}

fn section(page: &mut String, title: &str, text: &str) -> Result<()> {
    write!(
        page,
        "\n## `{title}`\n\n```text\n{}\n```\n",
        without_line_ends(text)
    )?;
    Ok(())
}

fn without_line_ends(text: &str) -> String {
    let lines: Vec<_> = text.trim().lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn help(shraga: &Path, verbs: &[&str]) -> Result<String> {
    let mut args = verbs.to_vec();
    args.push("--help");
    let mut command = run::command(shraga, &args);
    // Help names the environment's values of settings; the page must not depend on them.
    command
        .env_clear()
        .env("COLUMNS", HELP_COLUMNS)
        .env("TERM", "dumb");
    run::output(&mut command)
}

/// The names in the `Commands:` section of a help text.
fn verbs(help: &str) -> Vec<String> {
    let section = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1);
    let entries = section.take_while(|line| line.starts_with("  "));
    let names = entries.filter(|line| !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}
