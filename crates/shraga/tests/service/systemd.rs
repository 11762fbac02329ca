//! A systemd that is a script: what it is told goes into a file, what it answers is in others.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

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
    echo 'MainPID=PID'
    echo 'NRestarts=0'
    echo 'StatusText=worker is well' ;;
esac
"#;

const JOURNALCTL: &str = "#!/bin/sh\necho 'error: the store said no'\n";

pub(crate) struct Systemd {
    pub(crate) place: Place,
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
        let script = SYSTEMCTL
            .replace("STATE", &state)
            .replace("PID", &std::process::id().to_string());
        // `MainPID` holds those letters too.
        let script = script.replace(&format!("Main{}", std::process::id()), "MainPID");
        for (name, text) in [("systemctl", script.as_str()), ("journalctl", JOURNALCTL)] {
            let file = path.join("bin").join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        systemd.set("active", "inactive");
        systemd.set("becomes", "active");
        systemd
    }

    pub(crate) fn set(&self, name: &str, text: &str) {
        fs::write(self.place.path().join("state").join(name), text).unwrap();
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
