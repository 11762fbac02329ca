//! What a built version says of the store that is here, read from its words (`shraga schema trial`).
//!
//! Only read here; what follows from it is core's to say.

use serde::Deserialize;
use shraga_core::update::store::{Compatibility, Database};

/// Names that are taken of a list: a version that is wrong may say anything.
const NAMES: usize = 1000;

#[derive(Deserialize)]
struct Said {
    database: Option<SaidDatabase>,
    missing: Vec<String>,
    without: Vec<String>,
    unseen: Option<String>,
}

#[derive(Deserialize)]
struct SaidDatabase {
    found: i64,
    known: i64,
}

/// What `text` says; `None` when it is something else.
pub(crate) fn read(text: &str) -> Option<Compatibility> {
    let said: Said = serde_json::from_str(text.trim()).ok()?;
    let names = |names: Vec<String>| names.into_iter().take(NAMES).map(one_line).collect();
    Some(Compatibility {
        database: said.database.map(|it| Database {
            found: it.found,
            known: it.known,
        }),
        missing: names(said.missing),
        without: names(said.without),
        unseen: said.unseen.map(one_line),
    })
}

fn one_line(text: String) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_version_says_is_read_and_anything_else_says_nothing() {
        let text = r#"{"database": {"found": 2, "known": 3}, "missing": ["a\nb"], "without": [], "unseen": null}"#;
        let read = read(text).unwrap();
        assert_eq!(read.database, Some(Database { found: 2, known: 3 }));
        assert_eq!(read.missing, ["a b"]);
        for other in ["shraga 1.0.0", "", "{}", "[1]"] {
            assert!(super::read(other).is_none(), "{other}");
        }
    }
}
