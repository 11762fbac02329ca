//! A program that somebody else built: fetched, and held against the sum that the commit names.
//!
//! The sum is trusted as the commit is, and nothing else is: not the place, not the way, not who answered. What comes
//! is written where nobody starts it, and becomes executable only once its sum is right. No token goes anywhere.

use std::fmt;
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use shraga_core::update::Release;

/// The largest program that is taken. A release build with everything in it is a tenth of it.
pub const LARGEST_BYTES: u64 = 512 * 1024 * 1024;

/// The largest file of sums that is read: thousands of lines.
const LARGEST_SUMS_BYTES: u64 = 1024 * 1024;

/// How much is read of a file at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Why nothing was fetched.
#[derive(Debug)]
pub enum NotFetched {
    /// There is more than [`LARGEST_BYTES`].
    TooLarge,
    /// Something else, in words; it may go well another time.
    Failed(String),
}

/// What a fetch comes to.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<(), NotFetched>> + Send + 'a>>;

/// Whoever can fetch from an address. It sends nothing but the request for it.
pub trait Fetch: fmt::Debug + Send + Sync {
    /// Writes what is at `address` to `to`, piece by piece, and stops when that fails; an error in words otherwise.
    fn fetch<'a>(&'a self, address: &'a str, to: &'a mut (dyn Write + Send)) -> Fetching<'a>;
}

/// Where programs are that somebody else built.
#[derive(Clone, Debug)]
pub struct Prebuilt {
    /// An address (`https`), or a path, for this system; `{version}` and `{commit}` are filled in.
    pub from: String,
    /// The file of the commit with their sums, as `sha256sum` writes it.
    pub checksums: PathBuf,
    /// Who fetches from addresses.
    pub fetch: Arc<dyn Fetch>,
}

/// Why there is no program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// For a reason of the commit's.
    Commit(String),
    /// For a reason of this machine's, or of the way.
    Machine(String),
}

impl Prebuilt {
    /// Where the program of `release` is, built from `commit`.
    fn place(&self, release: &Release, commit: &str) -> String {
        self.from
            .replace("{version}", release.version())
            .replace("{commit}", commit)
    }

    /// Puts the program of `release` at `file`, executable. `source` has the commit's files.
    pub(crate) async fn bring(
        &self,
        source: &Path,
        release: &Release,
        commit: &str,
        file: &Path,
        deadline: Duration,
    ) -> Result<(), Lacking> {
        let place = self.place(release, commit);
        let wanted = self.sum(source, &place)?;
        let machine = |error: io::Error| Lacking::Machine(format!("{}: {error}", file.display()));
        let mut sink = Sink {
            file: File::create(file).map_err(machine)?,
            hash: Sha256::new(),
            bytes: 0,
            full: false,
        };
        let fetched = match place.contains("://") {
            true => {
                let fetching = self.fetch.fetch(&place, &mut sink);
                let late = format!("it took longer than {} s", deadline.as_secs());
                let fetched = tokio::time::timeout(deadline, fetching).await;
                fetched.unwrap_or(Err(NotFetched::Failed(late)))
            }
            false => copy(Path::new(&place), &mut sink)
                .map_err(|error| NotFetched::Failed(error.to_string())),
        };
        // What follows a question mark may be a signature.
        let place = place.split('?').next().unwrap_or_default();
        match fetched {
            Ok(()) => {}
            Err(NotFetched::Failed(why)) if !sink.full => {
                let said = format!("{place} could not be fetched: {why}");
                return Err(Lacking::Machine(said));
            }
            Err(NotFetched::Failed(_) | NotFetched::TooLarge) => {
                let most = LARGEST_BYTES / 1024 / 1024;
                return Err(Lacking::Commit(format!(
                    "{place} is larger than {most} MiB"
                )));
            }
        }
        sink.file.sync_all().map_err(machine)?;
        let found = hex(&sink.hash.finalize());
        if found != wanted {
            let sums = self.checksums.display();
            return Err(Lacking::Commit(format!(
                "{place} has the SHA-256 {found}, and {sums} says {wanted}"
            )));
        }
        make_executable(file).map_err(machine)
    }

    /// What the commit says of the program at `place`.
    fn sum(&self, source: &Path, place: &str) -> Result<String, Lacking> {
        let sums = self.checksums.display();
        let path = source.join(&self.checksums);
        let found = fs::symlink_metadata(&path);
        let fits = found.is_ok_and(|found| found.is_file() && found.len() <= LARGEST_SUMS_BYTES);
        let text = fits.then(|| fs::read_to_string(&path).ok()).flatten();
        let text = text.ok_or_else(|| Lacking::Commit(format!("the commit has no file {sums}")))?;
        let name = place.rsplit(['/', '\\']).next().unwrap_or(place);
        let name = name.split(['?', '#']).next().unwrap_or(name);
        sum_of(&text, name)
            .ok_or_else(|| Lacking::Commit(format!("{sums} has no line for {name}, or several")))
    }
}

/// The sum of the file called `name`, of lines as `sha256sum` writes them: the sum, a space, a space or `*`, the name.
/// Two lines that differ are none.
fn sum_of(text: &str, name: &str) -> Option<String> {
    let mut found = text.lines().filter_map(|line| {
        let (sum, rest) = line.split_once(' ')?;
        let path = rest.strip_prefix([' ', '*'])?.trim_end();
        let right = sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit());
        let same = path.strip_prefix("./").unwrap_or(path) == name;
        (right && same).then(|| sum.to_lowercase())
    });
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

/// Takes what comes: counted, summed, on disk.
struct Sink {
    file: File,
    hash: Sha256,
    bytes: u64,
    full: bool,
}

impl Write for Sink {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.bytes > LARGEST_BYTES {
            self.full = true;
            return Err(io::Error::other("it is too large"));
        }
        self.file.write_all(piece)?;
        self.hash.update(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn copy(from: &Path, to: &mut Sink) -> io::Result<()> {
    let mut file = File::open(from)?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            length => to.write_all(&piece[..length])?,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(unix)]
fn make_executable(file: &Path) -> io::Result<()> {
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755))
}

/// Files are executable by their names there.
#[cfg(windows)]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_as_sha256sum_writes_them() {
        let (one, two) = ("a".repeat(64), "B".repeat(64));
        let text = format!("{one}  shraga-linux\n{two} *./other\n\nnothing\nabc  short\n");
        assert_eq!(sum_of(&text, "shraga-linux"), Some(one.clone()));
        assert_eq!(sum_of(&text, "other"), Some(two.to_lowercase()));
        for none in ["shraga", "short", "", "linux"] {
            assert_eq!(sum_of(&text, none), None, "{none}");
        }
        let twice = format!("{one}  x\n{two}  x\n");
        assert_eq!(sum_of(&twice, "x"), None);
    }
}
