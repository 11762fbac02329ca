//! Versions as people write them into a file, compared as versions and not as text.

use std::cmp::Ordering;

use semver::Version;
use shraga_core::update::Release;

/// The longest line that is read as a version: longer ones are other files.
const LONGEST_CHARS: usize = 64;

/// The version that a file's text tells: its first line, a leading `v` and missing parts allowed.
/// `None` when it tells none.
pub(crate) fn parse(text: &str) -> Option<Version> {
    let line = first_line(text)?;
    let line = line.strip_prefix(['v', 'V']).unwrap_or(line);
    let tail_at = line.find(['-', '+']).unwrap_or(line.len());
    let (numbers, tail) = line.split_at(tail_at);
    let mut parts: Vec<&str> = numbers.split('.').map(without_zeros).collect();
    if parts.len() > 3 {
        return None;
    }
    parts.resize(3, "0");
    Version::parse(&format!("{}{tail}", parts.join("."))).ok()
}

/// How the versions of two releases compare; those of which one tells no version count as the same, so that none of
/// them is newer.
#[must_use]
pub fn order(a: &Release, b: &Release) -> Ordering {
    let parsed = parse(a.version()).zip(parse(b.version()));
    parsed.map_or(Ordering::Equal, |(a, b)| a.cmp(&b))
}

/// The text's first line, if it is short enough for a version and can be shown.
pub(crate) fn first_line(text: &str) -> Option<&str> {
    let line = text.trim_start_matches('\u{feff}').lines().next()?.trim();
    let shown = !line.is_empty() && !line.contains(char::is_control);
    (shown && line.chars().count() <= LONGEST_CHARS).then_some(line)
}

/// Dates as versions (`2026.02.09`) have zeros that versions don't.
fn without_zeros(part: &str) -> &str {
    match part.trim_start_matches('0') {
        "" if !part.is_empty() => "0",
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_versions() {
        let newer = |a: &str, b: &str| parse(a).unwrap() > parse(b).unwrap();
        assert!(newer("0.10.0", "0.9.0"));
        assert!(newer("v2", "1.99.99\n"));
        assert!(newer("1.0", "1.0.0-rc.1"));
        assert!(newer("2026.02.10", "2026.02.09"));
        assert!(!newer("1.0.0", "1.0"));
    }

    #[test]
    fn releases_compare_by_their_versions_alone() {
        let of = |version: &str, commit: &str| Release::new(version, commit).unwrap();
        let (a, b) = ("aaaaaaaaaaaa", "bbbbbbbbbbbb");
        assert_eq!(order(&of("1.10.0", a), &of("1.9.0", b)), Ordering::Greater);
        assert_eq!(order(&of("1.9.0", a), &of("1.9.0", b)), Ordering::Equal);
        assert_eq!(order(&of("nightly", a), &of("1.9.0", b)), Ordering::Equal);
    }

    #[test]
    fn other_text_tells_no_version() {
        for text in [
            "",
            "\n1.0",
            "unknown",
            "1.2.3.4",
            "<html>",
            "1..2",
            "-1",
            "1.0.0 beta",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
