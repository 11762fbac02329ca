//! Where an agent's program keeps its sessions, so that one can be gone on with elsewhere.
//!
//! Claude Code finds a session by the folder it works in: `projects/FOLDER/SESSION.jsonl` in its own
//! folder, where FOLDER is that folder's path with every other character than letters and digits
//! replaced. So even on the same machine a session has to be put where the next attempt works. Codex
//! finds its sessions wherever it works, but only its own: there they are not carried.
//!
//! What a session is called is believed only as far as it can't lead to another file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Session;
use crate::attempt::{CarriedSession, Job};
use crate::config::Kind;
use crate::private::{private_folder, read_within};

/// Most bytes of a session that are read. A long one has a few megabytes; more doesn't fit a checkpoint
/// even when it compresses well.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Longest name of a session.
const NAME_CHARS: usize = 64;

/// From how many characters on Claude Code shortens a folder's name.
const FOLDER_CHARS: usize = 200;

/// Most folders looked through for a session on this machine.
const MOST_FOLDERS: usize = 10_000;

/// What the agent of `job` keeps of `session` on disk, when it worked in `dir`. Kinds whose sessions
/// can't be taken elsewhere keep nothing.
pub(crate) fn session_file(job: &Job, dir: &Path, session: &Session) -> Option<Vec<u8>> {
    let projects = projects(job)?;
    let relative = Path::new(&folder_of(dir)).join(file_of(session)?);
    read(&projects, &relative)
}

/// Puts a session that was carried over where the agent of `job` looks for it when it works in `dir`;
/// gives the session if it is there then.
pub(crate) fn restore(job: &Job, dir: &Path, carried: CarriedSession) -> Option<Session> {
    if let Kind::Codex(_) = job.agent.kind {
        return Some(carried.session);
    }
    let projects = projects(job)?;
    let name = file_of(&carried.session)?;
    let content = match carried.file {
        Some(content) => content,
        None => found_here(&projects, &name)?,
    };
    match place(&projects, dir, &name, &content) {
        Ok(()) => Some(carried.session),
        Err(error) => {
            tracing::warn!(%error, "a session can't be put where its agent looks for it");
            None
        }
    }
}

/// Where Claude Code keeps sessions, if that is the agent.
fn projects(job: &Job) -> Option<PathBuf> {
    match job.agent.kind {
        Kind::Claude(_) => {
            let env = shraga_process::allowed_environment(&job.environment, &job.agent.env);
            claude_projects(&env)
        }
        Kind::Command | Kind::Codex(_) => None,
    }
}

fn claude_projects(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let own = env.get("CLAUDE_CONFIG_DIR").map(PathBuf::from);
    let own = own.or_else(|| Some(Path::new(env.get("HOME")?).join(".claude")))?;
    Some(own.join("projects"))
}

/// The file of a session; `None` for a name that no session has.
fn file_of(session: &Session) -> Option<String> {
    let name = &session.name;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let good = !name.is_empty() && name.len() <= NAME_CHARS && name.chars().all(plain);
    good.then(|| format!("{name}.jsonl"))
}

/// What Claude Code makes of a folder's path: a name of its own, which ends in a number in base 36
/// where it would be too long.
fn folder_of(dir: &Path) -> String {
    let path = dir.to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    // It counts UTF-16 units, each of which is replaced.
    let name: String = path
        .encode_utf16()
        .map(|unit| plain(char::from_u32(u32::from(unit)).unwrap_or('-')))
        .collect();
    if name.len() <= FOLDER_CHARS {
        return name;
    }
    let hash = path.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    format!("{}-{}", &name[..FOLDER_CHARS], base36(hash.unsigned_abs()))
}

fn base36(mut number: u32) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(number % 36, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// A session's whole lines: the program may be writing the next one.
fn read(projects: &Path, relative: &Path) -> Option<Vec<u8>> {
    let head = read_within(projects, relative, MOST_BYTES).ok()?;
    let mut bytes = head.bytes;
    let end = bytes.iter().rposition(|byte| *byte == b'\n')? + 1;
    bytes.truncate(end);
    head.whole.then_some(bytes)
}

/// The session as an earlier attempt on this machine left it, in whichever folder that worked.
fn found_here(projects: &Path, name: &str) -> Option<Vec<u8>> {
    let folders = std::fs::read_dir(projects).ok()?;
    let mut folders = folders.flatten().take(MOST_FOLDERS);
    folders.find_map(|folder| read(projects, &Path::new(&folder.file_name()).join(name)))
}

fn place(projects: &Path, dir: &Path, name: &str, content: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(projects)?;
    let folder = projects.join(folder_of(dir));
    private_folder(&folder)?;
    let path = folder.join(name);
    match File::create_new(&path) {
        Ok(mut file) => file.write_all(content),
        // The attempt is begun again in the same folder: the program's own file knows more.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(name: &str) -> Session {
        Session::named(name)
    }

    #[test]
    fn a_folder_is_named_as_claude_code_names_it() {
        assert_eq!(folder_of(Path::new("/tmp/g_1/w.x")), "-tmp-g-1-w-x");
        assert_eq!(folder_of(Path::new("/tmp/\u{e4}\u{1f600}")), "-tmp----");
        // Seen: the program's own name for a path of 254 characters.
        let long = format!("/tmp/g-cc/t/{}/{}x", "a".repeat(120), "b_".repeat(60));
        let name = folder_of(Path::new(&long));
        assert_eq!((name.len(), &name[200..]), (207, "-27uqrq"));
    }

    #[test]
    fn a_session_is_put_where_the_next_attempt_works_and_found_again() {
        let root = tempfile::tempdir().unwrap();
        let projects = root.path().join("projects");
        let name = file_of(&session("0193-ab")).unwrap();
        let (first, second) = (Path::new("/w/1"), Path::new("/w/2"));
        place(&projects, first, &name, b"{}\n{}\n").unwrap();
        let found = found_here(&projects, &name).unwrap();
        place(&projects, second, &name, &found).unwrap();
        let relative = Path::new("-w-2").join(&name);
        assert_eq!(read(&projects, &relative).unwrap(), b"{}\n{}\n");
        // What is there already is the program's own.
        place(&projects, second, &name, b"{}\n").unwrap();
        assert_eq!(read(&projects, &relative).unwrap(), b"{}\n{}\n");
    }

    #[test]
    fn a_line_that_is_being_written_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("s.jsonl"), "{}\n{\"half").unwrap();
        assert_eq!(read(root.path(), Path::new("s.jsonl")).unwrap(), b"{}\n");
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_no_session() {
        for name in ["", "../x", "a/b", "a.b", "a\\b", &"a".repeat(65)] {
            assert_eq!(file_of(&session(name)), None, "{name}");
        }
    }
}
