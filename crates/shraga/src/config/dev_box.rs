//! Settings of Dev Boxes.

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
