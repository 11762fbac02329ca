//! A long-lived program of ours that its starter waits for: its output is the starter's own.
//!
//! It leads a group of its own, so that a terminal's Ctrl-C reaches it through its starter alone, and only once. What it starts
//! in sessions of their own (supervisors of agents) is not of that group and lives on, whatever becomes of it. When its
//! starter is killed it lives on too; the next one finds it by its record ([`Child::record`]) and ends it
//! ([`crate::end_group`]).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;

use process_wrap::tokio::{ChildWrapper, CommandWrap};
use tokio::process::Command;

use crate::ProcessError;
use crate::os::{self, GroupRecord, end_group};
use crate::running::{Exit, itself};

/// A program that runs, or has ended and not been waited for.
#[derive(Debug)]
pub struct Child {
    child: Box<dyn ChildWrapper>,
    record: GroupRecord,
}

impl Child {
    /// Starts it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// No program is named, or the system refuses to start it.
    pub fn start(
        argv: &[String],
        dir: &Path,
        env: &BTreeMap<String, String>,
    ) -> Result<Self, ProcessError> {
        let Some((name, args)) = argv.split_first() else {
            return Err(ProcessError::Empty);
        };
        let mut command = Command::new(name);
        command
            .args(args)
            .current_dir(dir)
            .env_clear()
            .envs(env)
            .stdin(Stdio::null());
        let mut command = CommandWrap::from(command);
        os::own_group(&mut command);
        let child = crate::running::spawn(&mut command).map_err(|source| ProcessError::Start {
            program: name.clone(),
            source,
        })?;
        let record = GroupRecord::of(child.id().unwrap_or_default());
        Ok(Self { child, record })
    }

    /// What a later process needs to find it again.
    #[must_use]
    pub const fn record(&self) -> &GroupRecord {
        &self.record
    }

    /// Asks it to end; a second time means at once.
    pub fn ask(&mut self) {
        os::ask_to_end(self.child.as_mut());
    }

    /// Kills it with its group, and waits (2 s at most) until it is gone; whether it is.
    pub async fn kill(&self) -> bool {
        end_group(&self.record).await
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// The system can't tell.
    pub async fn ended(&mut self) -> io::Result<Exit> {
        itself(self.child.as_mut()).await.map(os::exit_of)
    }
}
