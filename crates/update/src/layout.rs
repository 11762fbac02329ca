//! An installation on disk: `versions/VERSION-COMMIT/shraga`, and the links `current` and `previous` to two of them.
//!
//! The link `current` is what is installed. It is replaced by a rename, so that whoever follows it finds one whole
//! version at every moment; a version's folder appears by a rename too, once its files are on disk. Nothing here
//! decides what is installed, and nothing outside the root is written.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shraga_core::update::{Record, Release, to_prune};

use crate::clock::pause;
use crate::durable::sync_folder;
use crate::keep::memory;
use crate::record;

/// The program's name in a version's folder.
pub const PROGRAM: &str = "shraga";

/// Versions kept beside the one in use and the one before it.
const KEEP: usize = 1;

const CURRENT: &str = "current";
const PREVIOUS: &str = "previous";
const VERSIONS: &str = "versions";
const KEEPERS: &str = "keep";

/// What a version's folder is called while it is filled.
const UNFINISHED: &str = ".unfinished";

/// How long the lock is waited for by who doesn't want to wait for another update: a program that is just being
/// started holds a copy of every lock of its starter's for a moment.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(1);
/// How often it is looked at meanwhile, at first.
const LOCK_STEP: Duration = Duration::from_millis(20);
/// And once it is clear that somebody builds.
const LOCK_STEP_LATER: Duration = Duration::from_millis(500);

/// The root of an installation.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// Nobody else updates this installation while this lives.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "held, for its lock")] File);

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The installation that `program` runs from, if it is one's.
    pub(crate) fn around(program: &Path) -> Option<Self> {
        let program = program.canonicalize().ok()?;
        let version = program.parent()?;
        version.file_name()?.to_str()?.parse::<Release>().ok()?;
        let versions = version.parent()?;
        let ours = versions.file_name()? == VERSIONS && program.file_name()? == PROGRAM;
        ours.then(|| versions.parent().map(Self::new)).flatten()
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the commit's files are put.
    pub(crate) fn source(&self) -> PathBuf {
        self.root.join("staging/source")
    }

    /// Where they are built; kept between updates, for what is still good.
    pub(crate) fn build(&self) -> PathBuf {
        self.root.join("staging/build")
    }

    /// Who runs for an update: names what goes on when it was killed.
    pub(crate) fn note(&self) -> PathBuf {
        self.root.join("staging/running.json")
    }

    /// The program of a version.
    pub(crate) fn program(&self, release: &Release) -> PathBuf {
        self.folder(release).join(PROGRAM)
    }

    fn folder(&self, release: &Release) -> PathBuf {
        self.root.join(VERSIONS).join(release.to_string())
    }

    /// Makes the root's folders, and keeps other updates out. `None`: another one is still under way after `patience`.
    pub(crate) async fn hold(&self, patience: Duration) -> io::Result<Option<Held>> {
        fs::create_dir_all(self.root.join(VERSIONS))?;
        fs::create_dir_all(self.root.join("staging"))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.root.join("lock"))?;
        let mut waited = Duration::ZERO;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(Held(lock))),
                Err(TryLockError::WouldBlock) if waited < patience => {
                    let step = match waited < AT_ONCE {
                        true => LOCK_STEP,
                        false => LOCK_STEP_LATER,
                    };
                    pause(step).await;
                    waited += step;
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// The version in use.
    pub(crate) fn current(&self) -> Option<Release> {
        self.linked(CURRENT)
    }

    /// The version to go back to.
    pub(crate) fn previous(&self) -> Option<Release> {
        self.linked(PREVIOUS)
    }

    /// The version that a link leads to, if it is there.
    fn linked(&self, name: &str) -> Option<Release> {
        let target = fs::read_link(self.root.join(name)).ok()?;
        let release: Release = target.file_name()?.to_str()?.parse().ok()?;
        self.has(&release).then_some(release)
    }

    /// Whether this version is beside the others.
    pub(crate) fn has(&self, release: &Release) -> bool {
        self.program(release).is_file()
    }

    /// The versions that are there, those put there first first.
    pub(crate) fn installed(&self) -> io::Result<Vec<Release>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.root.join(VERSIONS))? {
            let entry = entry?;
            let release = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let Some(release) = release.filter(|release| self.has(release)) {
                found.push((entry.metadata()?.modified()?, release));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, release)| release).collect())
    }

    /// A folder for a program that is to become a version, and the file in it that it becomes. Where it is tried is
    /// where it stays, so that what was tried is what is installed.
    pub(crate) fn begin(&self) -> io::Result<PathBuf> {
        let unfinished = self.root.join(VERSIONS).join(UNFINISHED);
        remove(&unfinished)?;
        fs::create_dir(&unfinished)?;
        Ok(unfinished.join(PROGRAM))
    }

    /// Copies `program` to the `file` that [`Layout::begin`] named, to disk.
    pub(crate) fn copy(program: &Path, file: &Path) -> io::Result<()> {
        fs::copy(program, file)?;
        File::open(file)?.sync_all()
    }

    /// Puts the program that was begun and tried beside the other versions, as this one. One that is there is
    /// replaced whole.
    pub(crate) fn install(&self, release: &Release) -> io::Result<()> {
        let unfinished = self.root.join(VERSIONS).join(UNFINISHED);
        sync_folder(&unfinished)?;
        let folder = self.folder(release);
        remove(&folder)?;
        fs::rename(&unfinished, &folder)?;
        sync_folder(&self.root.join(VERSIONS))
    }

    /// Makes `to` the version in use, and `from` the one to go back to. Can be cut short anywhere and done again:
    /// the way back is there before it may be needed.
    pub(crate) fn turn(&self, from: Option<&Release>, to: &Release) -> io::Result<()> {
        if let Some(from) = from.filter(|from| *from != to) {
            self.link(PREVIOUS, from)?;
        }
        self.link(CURRENT, to)?;
        sync_folder(&self.root)
    }

    fn link(&self, name: &str, release: &Release) -> io::Result<()> {
        let beside = self.root.join(format!(".{name}.new"));
        remove(&beside)?;
        let target = Path::new(VERSIONS).join(release.to_string());
        make_link(&target, &beside)?;
        fs::rename(&beside, self.root.join(name))
    }

    /// Takes away old versions, and what was staged; never a version that somebody here runs or may start.
    pub(crate) fn tidy(&self) -> io::Result<()> {
        remove(&self.source())?;
        remove(&self.root.join(VERSIONS).join(UNFINISHED))?;
        let held = self.held()?;
        for release in to_prune(&self.installed()?, &held, KEEP) {
            // First what makes it one, so that one that is half taken away is none.
            remove(&self.program(&release))?;
            remove(&self.folder(&release))?;
        }
        Ok(())
    }

    /// Versions that links lead to, that are under way, and that the keepers of this installation run or may start.
    fn held(&self) -> io::Result<Vec<Release>> {
        let links = self.current().into_iter().chain(self.previous());
        let under_way = self.record().under_way;
        let under_way = under_way.into_iter().flat_map(|it| [Some(it.to), it.from]);
        let mut held: Vec<Release> = links.chain(under_way.flatten()).collect();
        let keepers = match fs::read_dir(self.root.join(KEEPERS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(held),
            keepers => keepers?,
        };
        for keeper in keepers {
            held.extend(memory::needs(&keeper?.path()));
        }
        Ok(held)
    }

    /// What is remembered of updates.
    pub(crate) fn record(&self) -> Record {
        record::read(&self.record_file())
    }

    /// Remembers it.
    pub(crate) fn keep(&self, record: &Record) -> io::Result<()> {
        record::write(&self.record_file(), record)
    }

    fn record_file(&self) -> PathBuf {
        self.root.join("record.json")
    }
}

/// Removes a file, a link or a folder with what is in it, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let gone = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match gone {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(unix)]
fn make_link(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Only those who may make links of folders can; others are told by the system.
#[cfg(windows)]
fn make_link(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_dir(target, link)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn release(version: &str) -> Release {
        Release::new(version, &"a".repeat(40)).unwrap()
    }

    fn put(layout: &Layout, program: &Path, version: &str) {
        Layout::copy(program, &layout.begin().unwrap()).unwrap();
        layout.install(&release(version)).unwrap();
    }

    /// An installation with these versions, and a program to install.
    async fn with(versions: &[&str]) -> (tempfile::TempDir, Layout, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(&dir.path().join("root"));
        drop(layout.hold(AT_ONCE).await.unwrap().unwrap());
        let program = dir.path().join("program");
        fs::write(&program, "a program").unwrap();
        for version in versions {
            put(&layout, &program, version);
        }
        (dir, layout, program)
    }

    #[tokio::test]
    async fn links_that_were_half_turned_are_turned_again() {
        let (_dir, layout, _) = with(&["1.0.0", "1.1.0"]).await;
        let (old, new) = (release("1.0.0"), release("1.1.0"));
        layout.turn(None, &old).unwrap();
        assert_eq!(
            (layout.current(), layout.previous()),
            (Some(old.clone()), None)
        );
        // Cut short after the way back was linked, and while the next link was beside.
        layout.link(PREVIOUS, &old).unwrap();
        make_link(Path::new("nowhere"), &layout.root.join(".current.new")).unwrap();
        assert_eq!(layout.current(), Some(old.clone()));
        layout.turn(Some(&old), &new).unwrap();
        assert_eq!(
            (layout.current(), layout.previous()),
            (Some(new), Some(old))
        );
    }

    #[tokio::test]
    async fn a_version_that_was_half_put_beside_the_others_is_none() {
        let (_dir, layout, program) = with(&["1.0.0"]).await;
        let unfinished = layout.root.join(VERSIONS).join(UNFINISHED);
        fs::create_dir(&unfinished).unwrap();
        fs::write(unfinished.join(PROGRAM), "a pro").unwrap();
        fs::create_dir(layout.folder(&release("1.1.0"))).unwrap();
        assert_eq!(layout.installed().unwrap(), [release("1.0.0")]);
        put(&layout, &program, "1.1.0");
        assert!(layout.has(&release("1.1.0")) && !unfinished.exists());
    }

    #[tokio::test]
    async fn what_a_keeper_runs_or_may_start_is_never_taken_away() {
        let versions = [
            "1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0",
        ];
        let (_dir, layout, _) = with(&versions).await;
        layout.turn(None, &release("1.7.0")).unwrap();
        let keeper = |name: &str, file: &str, text: String| {
            let folder = layout.root.join(KEEPERS).join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(file), text).unwrap();
        };
        let memory = format!(
            r#"{{"proven":"{}","link":"{}","trial":{{"to":"{}","tries":1}}}}"#,
            release("1.0.0"),
            release("1.1.0"),
            release("1.2.0")
        );
        keeper("worker", "memory.json", memory);
        let next = format!(r#"{{"to":"{}","turn":false}}"#, release("1.3.0"));
        keeper("orchestrate", "next.json", next);
        keeper("serve", "started.json", format!("\"{}\"", release("1.4.0")));
        layout.tidy().unwrap();
        assert_eq!(
            layout.installed().unwrap().len(),
            7,
            "of 1.5.0 and 1.6.0 one is kept"
        );
        fs::remove_dir_all(layout.root.join(KEEPERS)).unwrap();
        layout.tidy().unwrap();
        assert_eq!(layout.installed().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn the_program_of_an_installation_knows_its_root_and_another_does_not() {
        let (dir, layout, program) = with(&["1.0.0"]).await;
        layout.turn(None, &release("1.0.0")).unwrap();
        let current = layout.root.join(CURRENT).join(PROGRAM);
        let root = Layout::around(&current).map(|found| found.root().to_owned());
        assert_eq!(root, layout.root.canonicalize().ok());
        assert!(Layout::around(&program).is_none());
        assert!(Layout::around(dir.path()).is_none());
    }

    #[tokio::test]
    async fn a_link_to_a_version_that_is_gone_leads_to_none() {
        let (_dir, layout, _) = with(&["1.0.0"]).await;
        layout.turn(None, &release("1.0.0")).unwrap();
        remove(&layout.folder(&release("1.0.0"))).unwrap();
        assert_eq!(layout.current(), None);
    }
}
