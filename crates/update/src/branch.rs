//! A branch's name, checked: what becomes part of a refspec can't be an option, a wildcard or another ref.

use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes: a ref is a path below `.git`, and files have names of at most 255.
const LONGEST_BYTES: usize = 240;

/// The name of a branch, as git itself allows it, without any prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Branch(String);

/// It is no name of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoBranch;

impl Branch {
    /// The branch at the remote.
    pub(crate) fn at_remote(&self) -> String {
        format!("refs/heads/{}", self.0)
    }

    /// Where a fetch leaves it here.
    pub(crate) fn tracked(&self) -> String {
        format!("refs/remotes/origin/{}", self.0)
    }
}

impl FromStr for Branch {
    type Err = NoBranch;

    /// The rules of `git check-ref-format --branch`.
    fn from_str(text: &str) -> Result<Self, NoBranch> {
        let forbidden = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
        let part_is_good =
            |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        let good = text.len() <= LONGEST_BYTES
            && !text.starts_with('-')
            && !text.ends_with('.')
            && text != "@"
            && !text.contains(forbidden)
            && !text.contains("..")
            && !text.contains("@{")
            && text.split('/').all(part_is_good);
        good.then(|| Self(text.to_owned())).ok_or(NoBranch)
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_an_option_a_pattern_or_another_ref_is_no_branch() {
        let bad = [
            "",
            "-",
            "--upload-pack=touch x",
            "a b",
            "a..b",
            "a:b",
            "+a:b*",
            "a*",
            "a~1",
            "a^",
            "a\\b",
            "a\nb",
            "@",
            "a@{1}",
            "/a",
            "a/",
            "a//b",
            "a/.b",
            "a.lock",
            "a.",
        ];
        for text in bad {
            assert_eq!(text.parse::<Branch>(), Err(NoBranch), "{text:?}");
        }
        let branch: Branch = "users/sagik/shraga-worker".parse().unwrap();
        assert_eq!(
            branch.tracked(),
            "refs/remotes/origin/users/sagik/shraga-worker"
        );
    }
}
