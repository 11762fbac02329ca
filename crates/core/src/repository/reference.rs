//! What of a repository a task begins from: a branch, a tag, a full ref or a commit.

use std::fmt;
use std::str::FromStr;

/// The longest name in bytes: a ref is a path below `.git`, and files have names of at most 255.
const LONGEST_BYTES: usize = 240;

/// The fewest digits that count as an abbreviated commit, as git itself shows them.
const FEWEST_DIGITS: usize = 7;

/// Whether `name` is what `git check-ref-format --branch` accepts: no option, no wildcard, no
/// revision expression, no path out of its folder.
#[must_use]
pub fn is_ref_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let part_is_good =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    name.len() <= LONGEST_BYTES
        && !name.starts_with('-')
        && !name.ends_with('.')
        && name != "@"
        && !name.contains(forbidden)
        && !name.contains("..")
        && !name.contains("@{")
        && name.split('/').all(part_is_good)
}

/// A ref as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference(String);

/// It is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no branch, tag or commit")]
pub struct BadReference(String);

impl Reference {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names it may have at the repository, the likeliest first.
    #[must_use]
    pub fn full_names(&self) -> Vec<String> {
        match self.0.starts_with("refs/") {
            true => vec![self.0.clone()],
            false => vec![
                format!("refs/heads/{}", self.0),
                format!("refs/tags/{}", self.0),
            ],
        }
    }

    /// The commit it may be: hexadecimal digits, abbreviated or not.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        let digits = (FEWEST_DIGITS..=64).contains(&self.0.len());
        let good = digits && self.0.bytes().all(|b| b.is_ascii_hexdigit());
        good.then_some(self.0.as_str())
    }

    /// Whether it is a commit in full, which can be asked of a repository by itself.
    #[must_use]
    pub fn is_whole_commit(&self) -> bool {
        matches!(self.0.len(), 40 | 64) && self.commit().is_some()
    }

    /// The branch it means, without prefix, when it can be one.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        match self.0.strip_prefix("refs/heads/") {
            Some(branch) => Some(branch),
            None => (!self.0.starts_with("refs/")).then_some(self.0.as_str()),
        }
    }
}

impl FromStr for Reference {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let good = is_ref_name(text) && text != "HEAD";
        good.then(|| Self(text.to_owned()))
            .ok_or_else(|| BadReference(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
