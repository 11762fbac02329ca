//! Errors with their causes, as one line: the one helper that prints chains, since no error of ours prints its source.

use std::error::Error;

/// `error` and its causes, outermost first, separated by colons. A cause that the words before it end with already
/// (libraries that do print their source) is not said twice.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Step(&'static str, Option<Box<Self>>);

    impl fmt::Display for Step {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Step {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|step| step as _)
        }
    }

    #[test]
    fn every_cause_is_said_once_outermost_first() {
        let refused = Step("connection refused", None);
        let connect = Step("no connection: connection refused", Some(Box::new(refused)));
        let tick = Step("could not read", Some(Box::new(connect)));
        assert_eq!(
            chain(&tick),
            "could not read: no connection: connection refused"
        );
    }
}
