//! What the service said, made fit for logs, rows and errors: one bounded line, as it was said but for what must not
//! be shown.
//!
//! Control characters go. Tokens, connections (`ms-avd:`) and principal names (anything with an `@`) become `***`: an
//! error must not show them, even if the service repeats them.

/// Characters kept: the two or three sentences of the longest messages known. More fills rows with a page of HTML.
const SAID_CHARS: usize = 400;
/// A word at least this long is no word of a message but a token, or looks like one.
const TOKEN_CHARS: usize = 200;

/// `text` as it may be shown.
pub(crate) fn said(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let mut kept = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(if is_private(word) { "***" } else { word });
    }
    match kept.char_indices().nth(SAID_CHARS) {
        Some((end, _)) => format!("{}...", &kept[..end]),
        None => kept,
    }
}

fn is_private(word: &str) -> bool {
    word.len() >= TOKEN_CHARS
        || word.contains("eyJ")
        || word.contains('@')
        || word.to_ascii_lowercase().contains("ms-avd:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_one_line_without_control_sequences() {
        let said = said("quota\r\n exceeded\u{1b}[2J\tfor  vCPU");
        assert_eq!(said, "quota exceeded [2J for vCPU");
    }

    #[test]
    fn tokens_connections_and_principal_names_are_not_repeated() {
        let token = format!("Bearer eyJ0eXAi.{}", "x".repeat(300));
        for private in [
            token.as_str(),
            "user ann@example.org has no license",
            "open ms-avd:connect?username=ann now",
        ] {
            let said = said(private);
            let leaks = ["eyJ", "ann", "xxx"]
                .iter()
                .any(|secret| said.contains(secret));
            assert!(!leaks && said.contains("***"), "{said}");
        }
    }

    #[test]
    fn a_page_of_text_is_cut() {
        assert_eq!(said(&"é ".repeat(1000)).chars().count(), SAID_CHARS + 3);
    }
}
