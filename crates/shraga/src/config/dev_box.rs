//! Settings of Dev Boxes. What a box is told may hold secrets, and is shown without them.

use std::fmt;

use shraga_orchestrator::machines::dev_box::Whose;

use super::value::{Raw, Setting};

/// In whose name Dev Boxes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account(pub Whose);

impl Default for Account {
    fn default() -> Self {
        Self(Whose::Theirs)
    }
}

impl Setting for Account {
    const EXPECTS: &'static str = "person or own";
    fn read(raw: &Raw) -> Option<Self> {
        match raw.word()? {
            "person" => Some(Self(Whose::Theirs)),
            "own" => Some(Self(Whose::Mine)),
            _ => None,
        }
    }
    fn show(&self) -> Option<String> {
        let word = match self.0 {
            Whose::Theirs => "person",
            Whose::Mine => "own",
        };
        Some(format!("{word:?}"))
    }
}

/// What the task that installs a worker is told, each `NAME=TEXT`.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameters(pub Vec<String>);

/// Parts of names whose values are nobody's business.
const SECRET_NAMES: [&str; 7] = [
    "token",
    "secret",
    "password",
    "pwd",
    "key",
    "credential",
    "connectionstring",
];

/// Characters from which on a word of letters and digits looks like a key: shorter ones are names.
const KEY_CHARS: usize = 24;

impl Setting for Parameters {
    const EXPECTS: &'static str = "a list of texts, each NAME=TEXT";
    // A list that isn't one is not repeated either.
    const SECRET: bool = true;
    fn read(raw: &Raw) -> Option<Self> {
        Vec::read(raw).map(Self)
    }
    fn show(&self) -> Option<String> {
        let shown: Vec<String> = self.0.iter().map(|text| masked(text)).collect();
        shown.show()
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|text| masked(text)))
            .finish()
    }
}

/// A parameter as it may be shown.
fn masked(parameter: &str) -> String {
    let Some((name, text)) = parameter.split_once('=') else {
        return "***".to_owned();
    };
    let lower = name.to_lowercase();
    let secret = SECRET_NAMES.iter().any(|part| lower.contains(part))
        || text.contains("{token}")
        || text.split(|c: char| !is_of_keys(c)).any(looks_like_a_key);
    match secret {
        true => format!("{name}=***"),
        false => parameter.to_owned(),
    }
}

fn is_of_keys(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+_~=".contains(c)
}

/// Letters and digits in one long word, as no name has them.
fn looks_like_a_key(word: &str) -> bool {
    let digits = word.chars().any(|c| c.is_ascii_digit());
    let letters = word.chars().any(|c| c.is_ascii_alphabetic());
    word.len() >= KEY_CHARS && digits && letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        let shown = |text: &str| masked(text);
        for secret in [
            "command=install.ps1 {worker} {token}",
            "ApiToken=x",
            "client_secret=hunter2",
            "url=https://x.example/?sig=Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5",
            "no name",
        ] {
            assert!(
                shown(secret).ends_with("***"),
                "{secret}: {}",
                shown(secret)
            );
        }
        for plain in [
            "worker={worker}",
            "store=https://store.example:7443",
            "command=install-shraga-worker.ps1 -Worker {worker} -Store {store}",
            "id=0193f0a1-0000-7000-8000-000000000001",
        ] {
            assert_eq!(shown(plain), plain);
        }
        let all = Parameters(vec!["pwd=x".to_owned(), "a=b".to_owned()]);
        assert_eq!(all.show().unwrap(), r#"["pwd=***", "a=b"]"#);
        assert_eq!(format!("{all:?}"), r#"["pwd=***", "a=b"]"#);
    }
}
