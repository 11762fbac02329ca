//! What a worker's settings say of repositories: where they may be, and whom commits are by.

use shraga_core::repository::Place;
use shraga_worker::Author;

use super::value::{Raw, Setting};

/// Local folders and private hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(pub Vec<Place>);

impl Setting for Places {
    const EXPECTS: &'static str =
        "a list of absolute paths and host names, such as [\"/srv/git\", \"git.corp.example\"]";

    fn read(raw: &Raw) -> Option<Self> {
        let texts = Vec::<String>::read(raw)?;
        let places = texts.iter().map(|text| text.parse().ok());
        places.collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> Option<String> {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        texts.show()
    }
}

/// Whom commits are by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitAuthor(pub Author);

impl Setting for GitAuthor {
    const EXPECTS: &'static str = "a name and an e-mail address: \"NAME <EMAIL>\"";

    fn read(raw: &Raw) -> Option<Self> {
        let (name, rest) = raw.word()?.split_once('<')?;
        let (name, email) = (name.trim(), rest.strip_suffix('>')?.trim());
        let good = |text: &str| !text.is_empty() && !text.contains(['<', '>', '\n', '\r', '\0']);
        (good(name) && good(email)).then(|| {
            Self(Author {
                name: name.to_owned(),
                email: email.to_owned(),
            })
        })
    }

    fn show(&self) -> Option<String> {
        Some(format!("\"{} <{}>\"", self.0.name, self.0.email))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn places_are_paths_and_hosts_and_an_author_has_a_name_and_an_address() {
        let places = Places::read(&text("/srv/git, git.corp.example, 10.0.0.7")).unwrap();
        assert_eq!(places.0.len(), 3);
        assert_eq!(Places::read(&text("srv/git")), None);
        assert_eq!(Places::read(&text("https://example.com/a")), None);
        let author = GitAuthor::read(&text("Build Bot <bot@example.com>")).unwrap();
        assert_eq!(author.0.name, "Build Bot");
        assert_eq!(author.show().unwrap(), "\"Build Bot <bot@example.com>\"");
        for bad in ["", "bot", "<bot@example.com>", "Bot <>", "Bot <a\nb>"] {
            assert_eq!(GitAuthor::read(&text(bad)), None, "{bad:?}");
        }
    }
}
