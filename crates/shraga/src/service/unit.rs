//! The text of a unit: what systemd is told of a role, with every value written so that it says what it says.
//!
//! Pure. Systemd reads each setting by rules of its own (words, quotes, `%`, `$`), so each has its own way to be
//! written here, and what no way exists for is refused. A line break anywhere would be another setting.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Role;

/// Seconds after which a keeper that no longer says it lives is started again. It says so three times as often.
const WATCHDOG_S: u32 = 60;

/// Seconds that stopping may take where no agents are: a tick and its requests.
const STOP_S: u32 = 60;
/// Seconds where agents are: what runs may end, and a machine that shuts down must not wait for ever.
const STOP_WITH_AGENTS_S: u32 = 300;

/// Seconds before a keeper that ended is started again, where systemd can't wait longer each time.
const RESTART_S: u32 = 10;
/// The systemd that can wait longer each time.
const KNOWS_STEPS: u32 = 254;

/// Folders that `ProtectHome` hides.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// Where the data of a service of the machine is: made by systemd, for its user alone.
pub(crate) const STATE: &str = "shraga";

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Whatever version is in use in the installation at this root.
    Installed(PathBuf),
    /// This file; nothing updates it.
    File(PathBuf),
}

impl Program {
    /// The file that is started.
    pub(crate) fn file(&self) -> PathBuf {
        match self {
            Self::Installed(root) => root.join("current").join(shraga_update::PROGRAM),
            Self::File(file) => file.clone(),
        }
    }
}

/// What a unit says.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// What runs.
    pub(crate) role: Role,
    /// Which of several.
    pub(crate) name: Option<String>,
    /// What is started.
    pub(crate) program: Program,
    /// Arguments of every verb, for the keeper and the role.
    pub(crate) common: Vec<String>,
    /// The role's own arguments.
    pub(crate) args: Vec<String>,
    /// As whom; `None` for a service of the person's own.
    pub(crate) user: Option<String>,
    /// The file with its environment.
    pub(crate) environment: Option<PathBuf>,
    /// Where it works; `None`: a folder that systemd makes for it.
    pub(crate) here: Option<PathBuf>,
    /// Version of the systemd that reads it, if that is known.
    pub(crate) systemd: Option<u32>,
}

/// Why there is no text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Unsayable {
    /// A character that can't be written there.
    #[error("{what} has a character in it that a unit can't hold ({}): {value:?}", shown(*.found))]
    Character {
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
        /// What can't be written.
        found: char,
    },
    /// A path that leads nowhere by itself.
    #[error("{what} is no absolute path: {value:?}")]
    Relative {
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A path that is not text.
    #[error("{what} is not text: {value}")]
    NotText {
        /// Which value.
        what: &'static str,
        /// About the value.
        value: String,
    },
}

fn shown(found: char) -> String {
    match found {
        ' ' => "a space at its end".to_owned(),
        '\n' | '\r' => "a line break".to_owned(),
        found if found.is_control() => "a control character".to_owned(),
        found => found.to_string(),
    }
}

impl Unit {
    /// The text, without the line that says whose it is.
    ///
    /// # Errors
    /// A value can't be written so that systemd reads it as it is.
    pub(crate) fn text(&self) -> Result<String, Unsayable> {
        let mut unit = String::new();
        let name = self.name.as_deref().map(|name| format!(" {name}"));
        let title = format!("Shraga {}{}", self.role.words(), name.unwrap_or_default());
        let network = match self.user {
            Some(_) => "Wants=network-online.target\nAfter=network-online.target\n",
            // The person's own systemd knows no network.
            None => "",
        };
        let _ = write!(
            unit,
            "[Unit]\nDescription={title}\n{network}\
             # It is started again for ever.\nStartLimitIntervalSec=0\n\n\
             [Service]\nType=notify\nExecStart={}\n",
            self.command()?
        );
        self.place(&mut unit)?;
        self.life(&mut unit);
        self.walls(&mut unit)?;
        let target = match self.user {
            Some(_) => "multi-user.target",
            None => "default.target",
        };
        let _ = write!(unit, "\n[Install]\nWantedBy={target}\n");
        Ok(unit)
    }

    /// What is started: the keeper, which starts the role.
    fn command(&self) -> Result<String, Unsayable> {
        let file = self.program.file();
        let mut words = vec![program(&file)?, "keep".to_owned()];
        if let Program::Installed(root) = &self.program {
            words.push("--root".to_owned());
            words.push(word("the root", absolute("the root", root)?)?);
        }
        if let Some(name) = &self.name {
            // Keepers of one installation are told apart by their names, whatever they keep.
            let name = format!("{}-{name}", self.role.verb());
            words.extend(["--name".to_owned(), quoted(&name)]);
        }
        let words_of = |args: &[String]| -> Result<Vec<String>, Unsayable> {
            args.iter().map(|arg| word("an argument", arg)).collect()
        };
        words.extend(words_of(&self.common)?);
        words.extend(["--", self.role.verb()].map(str::to_owned));
        words.extend(words_of(&self.common)?);
        words.extend(words_of(&self.args)?);
        Ok(words.join(" "))
    }

    /// Where it works, as whom, and with what environment.
    fn place(&self, unit: &mut String) -> Result<(), Unsayable> {
        match &self.here {
            Some(here) => {
                let here = line("the working directory", here)?;
                let _ = writeln!(unit, "WorkingDirectory={here}");
            }
            None => {
                let _ = writeln!(unit, "WorkingDirectory=/var/lib/{STATE}");
                let _ = writeln!(unit, "StateDirectory={STATE}\nStateDirectoryMode=0700");
            }
        }
        if let Some(user) = &self.user {
            let _ = writeln!(unit, "User={user}");
        }
        if let Some(file) = &self.environment {
            let file = line("the environment file", file)?;
            let _ = writeln!(unit, "EnvironmentFile={file}");
        }
        Ok(())
    }

    /// When it is started again, and how it is ended.
    fn life(&self, unit: &mut String) {
        let restart = match self.systemd {
            Some(version) if version >= KNOWS_STEPS => {
                "RestartSec=1\nRestartSteps=6\nRestartMaxDelaySec=60".to_owned()
            }
            Some(_) | None => format!("RestartSec={RESTART_S}"),
        };
        let (stop, kill, why) = match self.role.has_agents() {
            true => (
                STOP_WITH_AGENTS_S,
                "process",
                "Agents outlive a worker that is started again, and it goes on with them.",
            ),
            false => (STOP_S, "mixed", "The keeper tells what it keeps to end."),
        };
        let _ = write!(
            unit,
            "Restart=always\n{restart}\n\
             # The keeper never gives up, however long what it keeps takes to do its work.\n\
             TimeoutStartSec=infinity\nWatchdogSec={WATCHDOG_S}\n\
             # {why}\nKillMode={kill}\nTimeoutStopSec={stop}\n"
        );
    }

    /// What it can't reach.
    fn walls(&self, unit: &mut String) -> Result<(), Unsayable> {
        unit.push_str("UMask=0077\nNoNewPrivileges=yes\n");
        if self.user.is_none() {
            // The person's own systemd may lack what the rest takes.
            return Ok(());
        }
        // Agents build, and keep what they fetch, in places of their own; their supervisors meet in /tmp.
        if self.role.has_agents() {
            unit.push_str("ProtectSystem=full\n");
        } else {
            unit.push_str("ProtectSystem=strict\nPrivateTmp=yes\n");
            let home = if self.in_a_home() { "no" } else { "yes" };
            let _ = writeln!(unit, "ProtectHome={home}");
            unit.push_str("ProtectKernelTunables=yes\nProtectControlGroups=yes\n");
            unit.push_str("RestrictSUIDSGID=yes\n");
        }
        let root = match &self.program {
            Program::Installed(root) => Some(("the root", root)),
            Program::File(_) => None,
        };
        let here = self
            .here
            .as_ref()
            .map(|here| ("the working directory", here));
        for (what, path) in root.into_iter().chain(here) {
            let _ = writeln!(unit, "ReadWritePaths={}", listed(what, path)?);
        }
        Ok(())
    }

    /// Whether something of it is in a place that is somebody's home.
    fn in_a_home(&self) -> bool {
        let program = self.program.file();
        let paths = [
            Some(&program),
            self.here.as_ref(),
            self.environment.as_ref(),
        ];
        let mut paths = paths.into_iter().flatten();
        paths.any(|path| HOMES.iter().any(|home| path.starts_with(home)))
    }
}

/// The path as text, absolute and without anything that would be another line.
fn absolute<'a>(what: &'static str, path: &'a Path) -> Result<&'a str, Unsayable> {
    let value = || path.display().to_string();
    let text = path.to_str().ok_or_else(|| Unsayable::NotText {
        what,
        value: value(),
    })?;
    if !path.is_absolute() {
        let value = value();
        return Err(Unsayable::Relative { what, value });
    }
    without(what, text, &[])
}

/// The text, if it has no control character and none of `others`.
fn without<'a>(what: &'static str, text: &'a str, others: &[char]) -> Result<&'a str, Unsayable> {
    let bad = text.chars().find(|c| c.is_control() || others.contains(c));
    match bad {
        None => Ok(text),
        Some(found) => Err(Unsayable::Character {
            what,
            value: text.to_owned(),
            found,
        }),
    }
}

/// A path that is all of a setting: taken as it stands, but for `%`, and for what lines end with.
fn line(what: &'static str, path: &Path) -> Result<String, Unsayable> {
    let text = without(what, absolute(what, path)?, &['\\'])?;
    if text.ends_with(char::is_whitespace) {
        let (value, found) = (text.to_owned(), ' ');
        return Err(Unsayable::Character { what, value, found });
    }
    Ok(text.replace('%', "%%"))
}

/// A path in a list of them: quoted, without escapes.
fn listed(what: &'static str, path: &Path) -> Result<String, Unsayable> {
    let text = without(what, absolute(what, path)?, &['\\', '"'])?;
    Ok(format!("\"{}\"", text.replace('%', "%%")))
}

/// The program of a command line: no variable is filled in there, so none can be kept from it.
fn program(path: &Path) -> Result<String, Unsayable> {
    let what = "the program";
    let text = without(what, absolute(what, path)?, &['$', '\\', '"'])?;
    Ok(quoted(text))
}

/// A word of a command line.
fn word(what: &'static str, text: &str) -> Result<String, Unsayable> {
    Ok(quoted(without(what, text, &[])?))
}

/// `text` as one word that is nothing but itself.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:,@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut word = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => word.extend(['\\', c]),
            '%' | '$' => word.extend([c, c]),
            c => word.push(c),
        }
    }
    word.push('"');
    word
}
