//! Real repositories in temporary folders, friendly and hostile; the agent is played by hand.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use shraga_core::ids::UserId;
use shraga_core::repository::Allowed;
use shraga_core::worker::{Evidence, Push};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::private::private_folder;

mod cached;
mod carried;
mod hostile;
mod plain;
mod pushed;

/// A machine with a repository to clone from, a worker's folder, and a person's settings of git.
struct Stage {
    folder: TempDir,
    workspaces: Workspaces,
}

/// An attempt with its checkout.
struct Played {
    checkout: Checkout,
    folder: PathBuf,
}

impl Stage {
    /// The repository has one commit on `main` with `README`.
    async fn new() -> Self {
        Self::with(PushPolicy::OnRequest).await
    }

    async fn with(push: PushPolicy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        for name in ["origin", "worker", "home", "elsewhere"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        let place = root.join("origin").display().to_string();
        let settings = Repositories {
            allowed: Allowed::new(vec![place.parse().unwrap()]),
            push,
            ..Repositories::default()
        };
        let home = root.join("home").display().to_string();
        let environment = [("PATH", "/usr/bin:/bin".to_owned()), ("HOME", home)];
        let environment = environment.map(|(name, value)| (name.to_owned(), value));
        let environment = Arc::new(environment.into());
        let workspaces = Workspaces::new(&root.join("worker"), settings, environment);
        let stage = Self { folder, workspaces };
        let app = stage.origin();
        fs::create_dir(&app).unwrap();
        stage.git(&app, "init -q -b main").await;
        stage.commit("README", "hello\n").await;
        stage
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn origin(&self) -> PathBuf {
        self.root().join("origin/app")
    }

    /// A file that must never come to be: what a hostile repository would touch.
    fn trap(&self) -> PathBuf {
        self.root().join("trapped")
    }

    /// Runs git as a person would, with arguments split at blanks.
    async fn git(&self, dir: &Path, args: &str) -> String {
        let argv: Vec<&str> = std::iter::once("git").chain(args.split(' ')).collect();
        let mut env: BTreeMap<String, String> = (*self.workspaces.environment).clone();
        for who in ["AUTHOR", "COMMITTER"] {
            env.insert(format!("GIT_{who}_NAME"), "Ann".to_owned());
            env.insert(format!("GIT_{who}_EMAIL"), "ann@example.com".to_owned());
        }
        let ran = shraga_process::run_tool(&argv, dir, env, Duration::from_secs(60)).await;
        ran.unwrap_or_else(|error| panic!("git {args}: {error}"))
            .trim()
            .to_owned()
    }

    /// Commits a file at the repository; the commit.
    async fn commit(&self, name: &str, content: &str) -> String {
        let app = self.origin();
        fs::write(app.join(name), content).unwrap();
        self.git(&app, "add -A").await;
        self.git(&app, &format!("commit -q -m add-{name}")).await;
        self.git(&app, "rev-parse HEAD").await
    }

    fn wanted(&self, reference: Option<&str>) -> Wanted {
        Wanted {
            address: self.origin().display().to_string().parse().unwrap(),
            reference: reference.map(|it| it.parse().unwrap()),
            push: false,
        }
    }

    /// A folder for an attempt, as the worker makes it.
    fn attempt(&self, name: &str) -> PathBuf {
        let folder = self.root().join("worker/tasks").join(name);
        fs::create_dir_all(&folder).unwrap();
        private_folder(&folder.join("work")).unwrap();
        folder
    }

    async fn try_check_out(&self, name: &str, wanted: &Wanted) -> Result<Played, WorkspaceError> {
        let folder = self.attempt(name);
        let owner = Some(UserId::new(Uuid::from_u128(7)));
        let branch = format!("shraga/{name}/attempt-1");
        let checkout = self.workspaces.check_out(wanted, owner, &folder, &branch);
        let checkout = checkout.await?;
        Ok(Played { checkout, folder })
    }

    async fn check_out(&self, name: &str) -> Played {
        let made = self.try_check_out(name, &self.wanted(None)).await;
        made.unwrap_or_else(|error| panic!("{}", shraga_core::causes::chain(&error)))
    }
}

impl Played {
    fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.work().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Commits everything, as an agent would.
    async fn commit(&self, stage: &Stage, message: &str) {
        stage.git(&self.work(), "add -A").await;
        stage
            .git(&self.work(), &format!("commit -q -m {message}"))
            .await;
    }

    async fn evidence(&self) -> Evidence {
        let told = self.checkout.evidence().await;
        told.unwrap_or_else(|error| panic!("{}", shraga_core::causes::chain(&error)))
    }

    fn patch(&self) -> String {
        fs::read_to_string(self.checkout.patch()).unwrap()
    }
}

fn paths(evidence: &Evidence) -> Vec<&str> {
    evidence.files.iter().map(|it| it.path.as_str()).collect()
}
