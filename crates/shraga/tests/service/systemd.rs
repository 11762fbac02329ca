//! A systemd that is a script: what it is told goes into a file, what it answers is in others.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::common::{Place, Ran};

/// It keeps in a folder what a unit is: `active`, `enabled`; and is told there what it does next: `becomes` (what a
/// unit is once it was started), `refuses` (what it says instead of doing anything).
const SYSTEMCTL: &str = r#"#!/bin/sh
state=STATE
own=; [ "$1" = --user ] && { own='--user '; shift; }
shift 2
case $1 in
  --version) echo 'systemd 252 (252.38-1~deb12u1)'; exit 0 ;;
esac
if [ -e "$state/refuses" ]; then cat "$state/refuses" >&2; exit 1; fi
[ "$1" = show ] || echo "$own$*" >> "$state/done"
case $1 in
  enable) echo enabled > "$state/enabled" ;;
  disable) rm -f "$state/enabled" ;;
  restart) cat "$state/becomes" > "$state/active" ;;
  stop) echo inactive > "$state/active" ;;
  show)
    echo "UnitFileState=$(cat "$state/enabled" 2>/dev/null)"
    echo "ActiveState=$(cat "$state/active")"
    echo 'SubState=some'
    echo 'ActiveEnterTimestamp=Mon 2026-11-23 03:06:57 UTC'
    echo "MainPID=$(cat "$state/pid")"
    echo 'NRestarts=0'
    echo 'StatusText=worker is well' ;;
esac
"#;

const JOURNALCTL: &str = "#!/bin/sh\necho 'error: the store said no'\n";

pub(crate) struct Systemd {
    pub(crate) place: Place,
}

/// What looks like a keeper; it and what it keeps end with this.
pub(crate) struct Keeper {
    child: Child,
    folder: PathBuf,
}

impl Keeper {
    /// What it keeps says whether it does its work.
    pub(crate) fn says(&self, healthy: bool) {
        let pulse = format!(r#"{{"pid": 1, "beat": 1, "healthy": {healthy}, "says": "x"}}"#);
        let beside = self.folder.join("beside");
        fs::write(&beside, pulse).unwrap();
        fs::rename(beside, self.folder.join("pulse.json")).unwrap();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // What it keeps reads from here.
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

impl Systemd {
    pub(crate) fn new() -> Self {
        let systemd = Self {
            place: Place::new(),
        };
        let path = systemd.place.path();
        for folder in ["bin", "units", "state"] {
            fs::create_dir(path.join(folder)).unwrap();
        }
        let state = path.join("state").display().to_string();
        let script = SYSTEMCTL.replace("STATE", &state);
        for (name, text) in [("systemctl", script.as_str()), ("journalctl", JOURNALCTL)] {
            let file = path.join("bin").join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        systemd.set("active", "inactive");
        systemd.set("pid", &std::process::id().to_string());
        systemd.set("becomes", "active");
        systemd
    }

    pub(crate) fn set(&self, name: &str, text: &str) {
        fs::write(self.place.path().join("state").join(name), text).unwrap();
    }

    /// Starts what looks like a keeper and what it keeps, as the main process from now on.
    pub(crate) fn keeps(&self, role: &str) -> Keeper {
        let path = self.place.path();
        let folder = path.join("kept");
        fs::create_dir(&folder).unwrap();
        let keep = format!(
            "exec 3<&0\nSHRAGA_KEEPER={} sh {role} <&3 &\nwait\n",
            folder.display()
        );
        fs::write(path.join("keep"), keep).unwrap();
        // Until the test has ended.
        fs::write(path.join(role), "read line\n").unwrap();
        let mut command = Command::new("sh");
        let child = command.arg("keep").current_dir(path).stdin(Stdio::piped());
        let child = child.spawn().unwrap();
        self.set("pid", &child.id().to_string());
        Keeper { child, folder }
    }

    /// What it was told to change, in order.
    pub(crate) fn done(&self) -> Vec<String> {
        let done = fs::read_to_string(self.place.path().join("state/done")).unwrap_or_default();
        done.lines().map(str::to_owned).collect()
    }

    pub(crate) fn units(&self) -> PathBuf {
        self.place.path().join("units")
    }

    pub(crate) fn file(&self, unit: &str) -> PathBuf {
        self.units().join(unit)
    }

    pub(crate) fn unit(&self, unit: &str) -> String {
        fs::read_to_string(self.file(unit)).unwrap()
    }

    /// Where programs are found: the script first.
    pub(crate) fn path(&self) -> OsString {
        let mut path = self.place.path().join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        path
    }

    /// `shraga service VERB`, with units in a folder of the test's.
    pub(crate) fn service(&self, verb: &str, args: &[&str]) -> Ran {
        let units = self.units().display().to_string();
        let (role, rest) = args.split_first().unwrap();
        let mut all = vec!["service", verb, role, "--unit-dir", &units];
        all.extend(rest);
        let mut command = self.place.command(&all);
        Ran::of(command.env("PATH", self.path()).output().unwrap())
    }
}
