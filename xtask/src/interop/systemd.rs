//! Systemd's own reading of the units that `shraga service` makes: it must have nothing to say about any.
//!
//! No systemd runs for it: `systemd-analyze verify` reads files. It ends well also when it warns, so that
//! whatever it says is a failure.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{packages, target};
use crate::run::{command, output};

const ROLES: [&str; 4] = ["orchestrate", "worker", "serve", "up"];

/// Names and values that mean something to systemd unless they are written right.
const ARGS: [&str; 4] = [
    "--log-level",
    "warn,a=\"%n\" $HOME ; 'x'",
    "--url",
    "http://localhost/%i",
];

/// Checks the unit of each role, of the machine and of one's own.
pub(crate) fn run(shraga: &Path) -> Result<()> {
    packages::systemd()?;
    let folder = target()?.join("interop").join("units");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let root = folder.join("a root %h");
    fs::create_dir_all(root.join("current"))?;
    fs::copy(shraga, root.join("current").join("shraga"))?;
    for role in ROLES {
        for own in [true, false] {
            one(shraga, &folder, &root, role, own)?;
        }
    }
    fs::remove_dir_all(&folder)?;
    println!("interop: systemd takes {} units", ROLES.len() * 2);
    Ok(())
}

fn one(shraga: &Path, folder: &Path, root: &Path, role: &str, own: bool) -> Result<()> {
    let place = folder.to_string_lossy();
    let root = root.to_string_lossy();
    let mut args = vec![
        "service",
        "install",
        role,
        "--dry-run",
        "--json",
        "--name",
        "a",
    ];
    args.extend(["--unit-dir", &place, "--root", &root]);
    match own {
        true => args.push("--user"),
        false => args.extend(["--user-name", "daemon"]),
    }
    args.push("--");
    args.extend(ARGS);
    let said = output(&mut command(shraga, &args))?;
    let said: serde_json::Value = serde_json::from_str(&said)?;
    let text = said["unit"].as_str().context("a dry run prints the unit")?;
    let file = folder.join(format!("shraga-{role}-a.service"));
    fs::write(&file, text)?;
    let path = file.to_string_lossy();
    let mode = if own { "--user" } else { "--system" };
    let mut verify = command("systemd-analyze", &[mode, "verify", &path]);
    // The manager of a person's services wants a folder of its own.
    let checked = verify.env("XDG_RUNTIME_DIR", folder).output()?;
    let complaint = String::from_utf8_lossy(&checked.stderr).into_owned();
    if !checked.status.success() || !complaint.trim().is_empty() {
        bail!("systemd says of the unit of {role} ({mode}): {complaint}\n{text}");
    }
    fs::remove_file(&file)?;
    Ok(())
}
