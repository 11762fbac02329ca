//! A remote, a checkout of it and an installation, in a folder that goes with the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use shraga_core::time::Timestamp;
use shraga_core::update::{Release, Step};
use shraga_update::{Applied, PROGRAM, Refused, Settings, Site};
use tempfile::TempDir;

/// Any moment.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_secs(1_700_000_000)
}

/// The version as the check is told.
pub(crate) fn named(release: Release) -> String {
    release.version().to_owned()
}

/// The version that an update brought, or the test fails.
pub(crate) fn brought(done: Result<Applied, Refused>) -> String {
    match done {
        Ok(Applied::Installed { now, .. }) => now.version().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// What a version failed at and what was said, or the test fails.
pub(crate) fn failed(done: Result<Applied, Refused>) -> (Option<Step>, String) {
    match done {
        Err(Refused::Failed(failed)) => (failed.step, failed.said),
        other => panic!("{other:?}"),
    }
}

pub(crate) struct Scene {
    dir: TempDir,
}

impl Scene {
    /// A remote with an empty branch `main`, and a checkout of it.
    pub(crate) fn new() -> Self {
        let scene = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(scene.origin()).unwrap();
        scene.at_origin(&["init", "--quiet", "--initial-branch=main"]);
        scene.file("README", "a program\n");
        scene.commit("begin");
        let (from, to) = (scene.origin(), scene.checkout());
        let paths = [from.to_str().unwrap(), to.to_str().unwrap()];
        scene.at_origin(&["clone", "--quiet", "--", paths[0], paths[1]]);
        scene
    }

    pub(crate) fn origin(&self) -> PathBuf {
        self.dir.path().join("origin")
    }

    pub(crate) fn checkout(&self) -> PathBuf {
        self.dir.path().join("checkout")
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            places: vec![self.checkout()],
            branch: "main".to_owned(),
            git_timeout: Duration::from_secs(60),
            every: None,
            running: "0.0.1".to_owned(),
            installed: None,
            environment: environment(),
        }
    }

    /// Where versions are shell scripts.
    pub(crate) fn site(&self) -> Site {
        Site {
            root: self.root(),
            build: vec!["sh".to_owned(), "build.sh".to_owned()],
            artefact: Path::new("release").join(PROGRAM),
            prebuilt: None,
            build_deadline: Duration::from_secs(60),
            trial_deadline: Duration::from_secs(60),
            signers: None,
            here: self.dir.path().to_owned(),
        }
    }

    /// Where versions are built by cargo.
    pub(crate) fn cargo_site(&self) -> Site {
        let build = ["cargo", "build", "--release", "--locked", "--offline"];
        Site {
            build: build.map(str::to_owned).into(),
            ..self.site()
        }
    }

    /// The same, where what a version needs is fetched first.
    pub(crate) fn fetching_site(&self) -> Site {
        let build = ["cargo", "build", "--release", "--locked"];
        Site {
            build: build.map(str::to_owned).into(),
            ..self.site()
        }
    }

    /// Lets the package of the version need another one, which is in a repository at `address`.
    pub(crate) fn needs(&self, address: &str) {
        let read = |name| fs::read_to_string(self.origin().join(name)).unwrap();
        let (manifest, lock) = (read("Cargo.toml"), read("Cargo.lock"));
        let commit = "a".repeat(40);
        let need =
            format!("[dependencies]\naway = {{ git = \"{address}\", rev = \"{commit}\" }}\n");
        self.file("Cargo.toml", &format!("{manifest}{need}"));
        let source = format!("git+{address}?rev={commit}#{commit}");
        let away = format!("name = \"away\"\nversion = \"1.0.0\"\nsource = \"{source}\"\n");
        let lock = lock.replace("[[package]]", &format!("[[package]]\n{away}\n[[package]]"));
        self.file(
            "Cargo.lock",
            &format!("{lock}dependencies = [\n \"away\",\n]\n"),
        );
        self.commit("needs another");
    }

    /// A version whose program is a shell script that tells its version and then does this.
    pub(crate) fn release(&self, version: &str, program: &str) {
        self.release_with(version, "", program);
    }

    /// The same, with something that is done first when it is built.
    pub(crate) fn release_with(&self, version: &str, build: &str, program: &str) {
        let builds = self.dir.path().join("builds");
        let script = format!(
            "echo built >>{}\nmkdir -p \"$CARGO_TARGET_DIR/release\"\n{build}\n\
             cp program.sh \"$CARGO_TARGET_DIR/release/shraga\"\n",
            builds.display()
        );
        self.file("build.sh", &script);
        let tells = format!("#!/bin/sh\nVERSION={version}\n{program}\n");
        let tells = tells.replace("exit 0", "echo shraga $VERSION");
        self.file("program.sh", &tells);
        let program = self.origin().join("program.sh");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(program, executable).unwrap();
        self.file("VERSION", &format!("{version}\n"));
        self.commit(version);
    }

    /// A version that is a package of its own, with this beside its `main`.
    pub(crate) fn package(&self, version: &str, code: &str) {
        let package = format!("name = \"shraga\"\nversion = \"{version}\"\n");
        self.file(
            "Cargo.toml",
            &format!("[package]\n{package}edition = \"2024\"\n[workspace]\n"),
        );
        self.file(
            "Cargo.lock",
            &format!("version = 4\n\n[[package]]\n{package}"),
        );
        fs::create_dir_all(self.origin().join("src")).unwrap();
        let tells = "println!(\"shraga {}\", env!(\"CARGO_PKG_VERSION\"))";
        self.file("src/main.rs", &format!("fn main() {{ {tells} }}\n{code}\n"));
        self.file("VERSION", &format!("{version}\n"));
        self.commit(version);
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::write(self.origin().join(name), text).unwrap();
    }

    pub(crate) fn commit(&self, message: &str) {
        self.at_origin(&["add", "--all"]);
        self.at_origin(&["commit", "--quiet", "--allow-empty", "-m", message]);
    }

    /// What comes next has nothing to do with what the branch had.
    pub(crate) fn begin_history_anew(&self) {
        self.at_origin(&["checkout", "--quiet", "--orphan", "other"]);
        self.commit("anew");
        self.at_origin(&["branch", "--quiet", "-M", "main"]);
    }

    /// The checkout's commit.
    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// How often something was built.
    pub(crate) fn builds(&self) -> usize {
        let told = fs::read_to_string(self.dir.path().join("builds"));
        told.map_or(0, |told| told.lines().count())
    }

    pub(crate) fn is_building(&self) -> bool {
        self.builds() > 0
    }

    /// What the program in use says of itself.
    pub(crate) fn says(&self) -> String {
        let program = self.root().join("current").join(PROGRAM);
        // Through a shell: a file that was written here just now may still be open in what another test starts.
        let run = ["-c", "exec \"$0\" --version", program.to_str().unwrap()];
        let said = Command::new("sh").args(run).output().unwrap();
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }

    /// What an update leaves that was killed at this step.
    pub(crate) fn killed_at(&self, step: &str, to: &str, from: &str) {
        let left = format!(
            r#"{{"form": 1, "failed": [], "under_way": {{"to": "{to}", "from": "{from}",
                "step": "{step}", "tries": 1, "since_ms": 0}}}}"#
        );
        fs::write(self.root().join("record.json"), left).unwrap();
    }

    /// Makes a link of the installation lead to this version, or takes it away.
    pub(crate) fn link(&self, name: &str, release: Option<&str>) {
        let link = self.root().join(name);
        fs::remove_file(&link).ok();
        if let Some(release) = release {
            std::os::unix::fs::symlink(Path::new("versions").join(release), link).unwrap();
        }
    }

    /// A folder of hooks and programs that leave a trace when they are run.
    pub(crate) fn trap(&self) -> String {
        let folder = self.dir.path().join("trap");
        fs::create_dir(&folder).unwrap();
        let script = format!("#!/bin/sh\ntouch {}\n", folder.join("sprung").display());
        for name in [
            "post-checkout",
            "reference-transaction",
            "smudge",
            "ssh-keygen",
        ] {
            let file = folder.join(name);
            fs::write(&file, &script).unwrap();
            let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(file, executable).unwrap();
        }
        folder.display().to_string()
    }

    pub(crate) fn trap_sprung(&self) -> bool {
        self.dir.path().join("trap/sprung").exists()
    }

    /// A new key to sign with.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        let file = self.dir.path().join(name);
        let path = file.to_str().unwrap();
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path])
            .status();
        assert!(made.unwrap().success());
        file
    }

    /// A file that lets the holder of this key sign, and nobody else.
    pub(crate) fn signers(&self, key: &Path) -> PathBuf {
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        let file = self.dir.path().join("signers");
        fs::write(&file, format!("t@example.org {public}")).unwrap();
        file
    }

    /// Signs the commits that follow, or none of them.
    pub(crate) fn sign_with(&self, key: Option<&Path>) {
        let sign = key.is_some().to_string();
        self.at_origin(&["config", "commit.gpgSign", &sign]);
        self.at_origin(&["config", "gpg.format", "ssh"]);
        if let Some(key) = key {
            let key = key.to_str().unwrap();
            self.at_origin(&["config", "user.signingKey", key]);
        }
    }

    /// Runs git in the checkout.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.checkout(), args)
    }

    fn at_origin(&self, args: &[&str]) {
        git(&self.origin(), args);
    }
}

fn git(dir: &Path, args: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "git {args:?}: {said}");
    String::from_utf8(done.stdout).unwrap()
}

/// The test's own environment, which has the tools' places.
#[expect(
    clippy::disallowed_methods,
    reason = "tests start the tools of whoever runs them"
)]
fn environment() -> BTreeMap<String, String> {
    std::env::vars().collect()
}
