//! Python and npm packages below `target/interop/`, pinned by the files of `tests/interop/`.
//!
//! Installed once per pin: a stamp in the folder holds what was installed. What Python or Node
//! themselves lack comes from the system's packages when we are root on Debian; otherwise the
//! error names the command to type.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::{command, output, run, works};
use crate::tree;

/// The oldest Python that the pinned packages take.
const PYTHON_CHECK: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
/// The oldest Node with everything that the script uses.
const NODE_CHECK: &str = "process.exit(Number(process.versions.node.split('.')[0]) < 18 ? 1 : 0)";

/// The interpreter of a virtual environment with Microsoft's SDK in it.
pub(crate) fn python() -> Result<PathBuf> {
    let pins = tree::root().join("tests/interop/requirements.txt");
    let folder = super::target()?.join("interop").join("python");
    let bin = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let python = bin.join("python");
    if stamped(&folder, &[&pins])? {
        println!("interop: using {}", folder.display());
        return Ok(python);
    }
    system(
        "Python 3.11 with venv",
        ("python3", &["-c", PYTHON_CHECK]),
        &["python3", "python3-venv"],
    )?;
    println!(
        "interop: installing Python packages into {}",
        folder.display()
    );
    let place = folder.to_string_lossy().into_owned();
    run(&mut command("python3", &["-m", "venv", "--clear", &place]))?;
    let pins_path = pins.to_string_lossy().into_owned();
    let quiet = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        &pins_path,
    ];
    run(&mut command(&python, &quiet))?;
    stamp(&folder, &[&pins])?;
    Ok(python)
}

/// Makes sure that systemd's reader of units is there.
pub(crate) fn systemd() -> Result<()> {
    let works = ("systemd-analyze", &["--version"][..]);
    system("systemd-analyze", works, &["systemd"])
}

/// Claude Code's program. Its npm package holds one for each platform, in packages of their own.
pub(crate) fn claude() -> Result<PathBuf> {
    let vendor = agents()?.join("node_modules").join("@anthropic-ai");
    let entries = fs::read_dir(&vendor).with_context(|| format!("reading {}", vendor.display()))?;
    let mut programs = entries.flatten().map(|entry| entry.path().join("claude"));
    let found = programs.find(|program| program.is_file());
    found.with_context(|| format!("no program for this platform below {}", vendor.display()))
}

/// Codex's program, which starts the one for this platform.
pub(crate) fn codex() -> Result<PathBuf> {
    Ok(agents()?.join("node_modules").join(".bin").join("codex"))
}

/// A folder with the vendors' command lines in it: half a gigabyte.
fn agents() -> Result<PathBuf> {
    npm("agents", &tree::root().join("tests/interop/agents"))
}

/// A folder with dynamics-web-api and our script in it, since Node resolves modules by place.
pub(crate) fn javascript() -> Result<PathBuf> {
    let ours = tree::root().join("tests/interop");
    let folder = npm("node", &ours)?;
    copy_into(&ours.join("dynamics_web_api.mjs"), &folder)?;
    Ok(folder)
}

/// The folder `name` with the packages that the files of `ours` pin.
fn npm(name: &str, ours: &Path) -> Result<PathBuf> {
    let folder = super::target()?.join("interop").join(name);
    let pins = [ours.join("package.json"), ours.join("package-lock.json")];
    let pins: Vec<&Path> = pins.iter().map(PathBuf::as_path).collect();
    system("Node 18", ("node", &["-e", NODE_CHECK]), &["nodejs"])?;
    if stamped(&folder, &pins)? {
        println!("interop: using {}", folder.display());
    } else {
        system("npm", ("npm", &["--version"]), &["npm"])?;
        println!("interop: installing npm packages into {}", folder.display());
        fs::create_dir_all(&folder)?;
        for pin in &pins {
            copy_into(pin, &folder)?;
        }
        let quiet = [
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ];
        run(command("npm", &quiet).current_dir(&folder))?;
        stamp(&folder, &pins)?;
    }
    Ok(folder)
}

/// Makes sure that a program of the system works.
fn system(what: &str, (program, args): (&str, &[&str]), packages: &[&str]) -> Result<()> {
    if works(program, args) {
        return Ok(());
    }
    let install = format!("apt-get install -y {}", packages.join(" "));
    if !works("apt-get", &["--version"]) {
        bail!("{what} is needed; install it (on Debian: `{install}`)");
    }
    if output(&mut command("id", &["-u"]))?.trim() != "0" {
        bail!("{what} is needed; run `sudo {install}`");
    }
    println!(
        "interop: {what} is missing; installing {}",
        packages.join(", ")
    );
    run(&mut command("apt-get", &["update", "-qq"]))?;
    let mut apt = command(
        "apt-get",
        &["install", "-y", "-qq", "--no-install-recommends"],
    );
    run(apt.args(packages).env("DEBIAN_FRONTEND", "noninteractive"))?;
    if !works(program, args) {
        bail!(
            "{what} is needed and Debian's {} is too old",
            packages.join(", ")
        );
    }
    Ok(())
}

fn copy_into(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a file has a name")?;
    fs::copy(file, folder.join(name)).with_context(|| format!("copying {}", file.display()))?;
    Ok(())
}

fn stamped(folder: &Path, pins: &[&Path]) -> Result<bool> {
    let wanted = contents(pins)?;
    Ok(fs::read_to_string(folder.join("installed")).is_ok_and(|installed| installed == wanted))
}

fn stamp(folder: &Path, pins: &[&Path]) -> Result<()> {
    fs::write(folder.join("installed"), contents(pins)?)
        .with_context(|| format!("writing below {}", folder.display()))
}

fn contents(files: &[&Path]) -> Result<String> {
    let read = |path: &&Path| {
        fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
    };
    files.iter().map(read).collect()
}
