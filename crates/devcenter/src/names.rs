//! Names that may stand in a path, by the service's own rule, checked before anything is sent.
//!
//! A name that was parsed has no character that means something in an address, so that no value of a row or a setting
//! can lead a request elsewhere.

use std::fmt;

use uuid::Uuid;

/// Shortest name, in bytes (all characters allowed are of one byte).
const NAME_MIN: usize = 3;
/// Longest name, in bytes.
const NAME_MAX: usize = 63;
/// Characters of a wrong name that are shown: enough to recognise it, little enough for a line.
const SHOWN_CHARS: usize = 80;

/// A name that the service would not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {text:?} must be 3 to 63 letters, digits, '-', '_' or '.', beginning with a letter or digit"
)]
pub struct BadName {
    /// What it should have named.
    pub what: &'static str,
    /// Its beginning.
    pub text: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Reads a name.
            ///
            /// # Errors
            /// It breaks the service's rule for names.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                checked($what, text).map(Self)
            }

            /// It as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A project's name.
    ProjectName,
    "the project's name"
);
name!(
    /// A pool's name.
    PoolName,
    "the pool's name"
);
name!(
    /// A Dev Box's name; one per person and project.
    BoxName,
    "the Dev Box's name"
);
name!(
    /// A customization group's name.
    GroupName,
    "the customization group's name"
);
name!(
    /// A scheduled action's name.
    ActionName,
    "the action's name"
);

/// Whose a Dev Box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Whoever the token stands for.
    Me,
    /// A person, by the object id of her account; for others than oneself that takes a project admin's rights.
    Person(Uuid),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Me => f.write_str("me"),
            Self::Person(id) => id.fmt(f),
        }
    }
}

/// Which Dev Box.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoxId {
    /// Its project.
    pub project: ProjectName,
    /// Whose it is.
    pub owner: Owner,
    /// Its name.
    pub name: BoxName,
}

fn checked(what: &'static str, text: &str) -> Result<String, BadName> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = (NAME_MIN..=NAME_MAX).contains(&text.len())
        && text.chars().all(allowed)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric());
    match good {
        true => Ok(text.to_owned()),
        false => Err(BadName {
            what,
            text: text.chars().take(SHOWN_CHARS).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_services_rule_for_names_is_kept() {
        for good in ["abc", "a-b", "0..", "shraga-1f2e3d4c-1", &"x".repeat(63)] {
            assert_eq!(BoxName::parse(good).expect(good).as_str(), good);
        }
        for bad in [
            "",
            "ab",
            "-abc",
            ".abc",
            "a/b",
            "a b c",
            "äbc",
            &"x".repeat(64),
        ] {
            assert!(BoxName::parse(bad).is_err(), "{bad}");
        }
        let said = PoolName::parse("a/../b\u{1b}[31m").unwrap_err().to_string();
        assert!(
            said.contains("the pool's name") && !said.contains('\u{1b}'),
            "{said}"
        );
    }

    proptest! {
        #[test]
        fn no_name_changes_the_path_it_stands_in(text in ".{0,70}") {
            if let Ok(name) = ProjectName::parse(&text) {
                let address = format!("https://host/projects/{name}/pools");
                let url = url::Url::parse(&address).expect("an address");
                prop_assert_eq!(url.as_str(), address);
                prop_assert_eq!(url.path_segments().expect("a path").count(), 3);
            }
        }
    }
}
