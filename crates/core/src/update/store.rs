//! Whether a built version can work with the store that is here, from what it says of it.
//!
//! Only the version itself knows what it reads. What it can't read, or can't do without, is a reason not to take it
//! into use; what it would bring forward is told, since the version before can't read that any more.

/// The embedded store's database, in numbers of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Database {
    /// The form it has.
    pub found: i64,
    /// The newest that the version reads; older ones it brings forward.
    pub known: i64,
}

/// What a built version says of the store that is here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compatibility {
    /// The database, where there is one.
    pub database: Option<Database>,
    /// What it needs of the store's tables and doesn't find.
    pub missing: Vec<String>,
    /// What it would do without.
    pub without: Vec<String>,
    /// Why it could not look, if it could not: that says nothing about the version.
    pub unseen: Option<String>,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can work with it; with remarks for people.
    Fits(Vec<String>),
    /// It can't, for this reason.
    Fails(String),
}

/// Names of missing columns that are told; more would fill a screen and say no more.
const NAMED: usize = 5;

impl Compatibility {
    /// Whether the version may be taken into use.
    #[must_use]
    pub fn judge(&self) -> Verdict {
        if let Some(Database { found, known }) = self.database
            && found > known
        {
            return Verdict::Fails(format!(
                "it can't read the store's database: that has form {found}, and it reads up to {known}"
            ));
        }
        if !self.missing.is_empty() {
            let named = named(&self.missing);
            return Verdict::Fails(format!(
                "the store's tables lack what it needs ({named}): run its `schema apply` first"
            ));
        }
        let forward = self
            .database
            .filter(|it| 0 < it.found && it.found < it.known);
        let forward = forward.map(|Database { found, known }| {
            format!(
                "it will bring the store's database from form {found} to {known}, which the version before can't read; \
                 a copy is kept in the data folder's backup/"
            )
        });
        let without = (!self.without.is_empty()).then(|| {
            format!(
                "it does without what the store's tables lack ({})",
                named(&self.without)
            )
        });
        let unseen = self.unseen.as_ref();
        let unseen = unseen.map(|why| format!("the store could not be looked at: {why}"));
        Verdict::Fits(forward.into_iter().chain(without).chain(unseen).collect())
    }
}

fn named(all: &[String]) -> String {
    let words: Vec<&str> = all.iter().take(NAMED).map(String::as_str).collect();
    let words = words.join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => words,
        more => format!("{words} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(found: i64, known: i64) -> Compatibility {
        Compatibility {
            database: Some(Database { found, known }),
            ..Compatibility::default()
        }
    }

    #[test]
    fn a_version_that_reads_the_store_as_it_is_fits() {
        for fits in [Compatibility::default(), database(3, 3), database(0, 3)] {
            assert_eq!(fits.judge(), Verdict::Fits(Vec::new()), "{fits:?}");
        }
    }

    #[test]
    fn a_version_that_can_not_read_the_store_fails_and_one_that_changes_it_says_so() {
        let Verdict::Fails(said) = database(4, 3).judge() else {
            panic!("it fits");
        };
        assert!(
            said.contains("form 4") && said.contains("up to 3"),
            "{said}"
        );
        let Verdict::Fits(said) = database(2, 3).judge() else {
            panic!("it fails");
        };
        assert!(
            said[0].contains("from form 2 to 3") && said[0].contains("backup/"),
            "{said:?}"
        );
    }

    #[test]
    fn what_is_needed_fails_it_and_what_can_be_done_without_is_told() {
        let many: Vec<String> = (0..7).map(|n| format!("cr_{n}")).collect();
        let needs = Compatibility {
            missing: many.clone(),
            ..Compatibility::default()
        };
        let Verdict::Fails(said) = needs.judge() else {
            panic!("it fits");
        };
        assert!(
            said.contains("cr_4 and 2 more") && said.contains("schema apply"),
            "{said}"
        );
        let lesser = Compatibility {
            without: many,
            unseen: Some("no answer".to_owned()),
            ..Compatibility::default()
        };
        let Verdict::Fits(said) = lesser.judge() else {
            panic!("it fails");
        };
        assert_eq!(said.len(), 2, "{said:?}");
    }
}
