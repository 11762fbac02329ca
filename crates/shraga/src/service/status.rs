//! How a service is: whether it is installed, whether it runs since when, what it says of itself, and why it does not.

use std::path::{Path, PathBuf};

use serde::Serialize;
use shraga_core::update::Release;
use shraga_update::{FOLDER_VARIABLE, latest};
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

use super::{Found, Manager, Place, Role, unit_name};
use crate::display::Output;
use crate::display::clean::one_line;
use crate::exit::{Exit, Failure};

/// Lines of its log that are shown when something is wrong with it.
const LAST_WORDS: usize = 10;

/// What is asked of systemd.
const PROPERTIES: [&str; 7] = [
    "UnitFileState",
    "ActiveState",
    "SubState",
    "ActiveEnterTimestamp",
    "MainPID",
    "NRestarts",
    "StatusText",
];

/// How a service stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Standing {
    /// It runs and, as far as can be told, does its work.
    Running,
    /// It was started, and has not said so yet.
    Starting,
    /// It runs, or is kept running, and does not do its work.
    Unready,
    /// It is being stopped, and finishes what it has.
    Stopping,
    /// It does not run.
    Stopped,
    /// It does not run since it failed.
    Failed,
    /// There is no unit of it.
    NotInstalled,
}

impl Standing {
    /// What systemd's word for it means.
    pub(crate) fn of(active: &str) -> Self {
        match active {
            "active" | "reloading" | "refreshing" => Self::Running,
            "activating" => Self::Starting,
            "deactivating" => Self::Stopping,
            "failed" => Self::Failed,
            _ => Self::Stopped,
        }
    }

    /// The exit code of `status`.
    pub(crate) const fn exit(self) -> Exit {
        match self {
            Self::Running => Exit::Done,
            Self::Starting | Self::Unready | Self::Stopping => Exit::TryAgain,
            Self::Stopped | Self::Failed => Exit::Failed,
            Self::NotInstalled => Exit::NotFound,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Unready => "running, and does not do its work",
            Self::Stopping => "stopping: it finishes what it has",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::NotInstalled => "not installed",
        }
    }
}

/// What is known of a service.
#[derive(Debug, Serialize)]
pub(crate) struct Seen {
    unit: String,
    file: String,
    pub(crate) standing: Standing,
    /// Whether the unit was made here, and left as it was made.
    #[serde(rename = "unit_is")]
    found: &'static str,
    /// systemd's word: `enabled` starts with the machine.
    enabled: String,
    /// systemd's words.
    state: String,
    since: Option<String>,
    pid: Option<u32>,
    restarts: u64,
    /// The version that runs, of an installation.
    release: Option<String>,
    /// The file that runs.
    program: Option<String>,
    /// What it says of itself.
    says: Option<String>,
    /// The end of its log, when something is wrong.
    log: Vec<String>,
}

impl Seen {
    /// Looks.
    ///
    /// # Errors
    /// There is no systemd to ask, or the unit can't be read.
    pub(crate) async fn of(
        role: Role,
        name: Option<&str>,
        place: &Place,
        manager: Manager,
    ) -> Result<Self, Failure> {
        let unit = unit_name(role, name);
        let found = place.look()?;
        let values = manager.show(&unit, &PROPERTIES).await?;
        let [enabled, active, sub, since, pid, restarts, says] =
            <[String; PROPERTIES.len()]>::try_from(values).unwrap_or_default();
        let standing = match found {
            Found::Nothing => Standing::NotInstalled,
            Found::Ours | Found::Changed | Found::Another => Standing::of(&active),
        };
        let pid = pid.parse().ok().filter(|pid| *pid > 0);
        let runs = pid.and_then(|pid| what_runs(pid, role));
        let standing = match (standing, runs.as_ref().and_then(|runs| runs.healthy)) {
            (Standing::Running, Some(false)) => Standing::Unready,
            (standing, _) => standing,
        };
        let file = runs.and_then(|runs| runs.file);
        let log = match standing {
            Standing::Running | Standing::NotInstalled => Vec::new(),
            Standing::Starting
            | Standing::Unready
            | Standing::Stopping
            | Standing::Stopped
            | Standing::Failed => manager.last_words(&unit, LAST_WORDS).await,
        };
        let told = |text: String| Some(text).filter(|text| !text.is_empty());
        Ok(Self {
            file: place.path.display().to_string(),
            unit,
            standing,
            found: found.word(),
            enabled,
            state: format!("{active} ({sub})"),
            since: told(since)
                .filter(|_| matches!(standing, Standing::Running | Standing::Unready)),
            pid,
            restarts: restarts.parse().unwrap_or(0),
            release: file
                .as_deref()
                .and_then(release_of)
                .map(|it| it.to_string()),
            program: file.map(|path| path.display().to_string()),
            says: told(says),
            log,
        })
    }

    /// Prints it.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub(crate) fn show(&self, output: Output) -> Result<(), Failure> {
        if output.json {
            return output.object(self);
        }
        let line =
            |name: &str, value: &str| output.line(format_args!("{name:<10} {}", one_line(value)));
        line("unit", &format!("{} ({})", self.unit, self.file))?;
        if self.standing == Standing::NotInstalled {
            return line("state", self.standing.words());
        }
        line("state", self.standing.words())?;
        if self.found != Found::Ours.word() {
            line("file", self.found)?;
        }
        line("at start", &self.enabled)?;
        if let Some(since) = &self.since {
            line("since", since)?;
        }
        if let Some(pid) = self.pid {
            line("process", &pid.to_string())?;
        }
        if let Some(runs) = self.release.as_ref().or(self.program.as_ref()) {
            line("version", runs)?;
        }
        if self.restarts > 0 {
            line("restarts", &self.restarts.to_string())?;
        }
        if let Some(says) = &self.says {
            line("says", says)?;
        }
        for said in &self.log {
            line("log", said)?;
        }
        Ok(())
    }
}

impl Found {
    /// What the unit is.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Ours => "made by shraga",
            Self::Changed => "made by shraga, changed by hand",
            Self::Another => "not made by shraga",
        }
    }
}

/// What runs.
struct Runs {
    /// The file that does the work, where the system tells.
    file: Option<PathBuf>,
    /// Whether it does its work; `None` where it can't be told.
    healthy: Option<bool>,
}

/// What runs as the process with this id: itself, or what it keeps.
fn what_runs(pid: u32, role: Role) -> Option<Runs> {
    let mut system = System::new().ok()?;
    let kind = ProcessRefreshKind::nothing()
        .with_exe(UpdateKind::OnlyIfNotSet)
        .with_cmd(UpdateKind::OnlyIfNotSet)
        .with_environ(UpdateKind::OnlyIfNotSet);
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
    let pid = Pid::from_u32(pid);
    let main = system.process(pid)?;
    let is = |process: &Process, verb: &str| process.cmd().get(1).is_some_and(|it| it == verb);
    let file = |process: &Process| process.exe().map(ToOwned::to_owned);
    if !is(main, "keep") {
        let (file, healthy) = (file(main), None);
        return Some(Runs { file, healthy });
    }
    let mut all = system.processes().values();
    let Some(kept) = all.find(|it| it.parent() == Some(pid) && is(it, role.verb())) else {
        // It ended, and is started again in a moment.
        let (file, healthy) = (None, Some(false));
        return Some(Runs { file, healthy });
    };
    let mut environment = kept.environ().iter().filter_map(|entry| entry.to_str());
    let folder = environment.find_map(|it| it.strip_prefix(FOLDER_VARIABLE)?.strip_prefix('='));
    let healthy = folder.map(|folder| latest(Path::new(folder)).is_some_and(|it| it.healthy));
    let file = file(kept);
    Some(Runs { file, healthy })
}

/// The version whose folder the program is in.
fn release_of(program: &Path) -> Option<Release> {
    program.parent()?.file_name()?.to_str()?.parse().ok()
}
