//! The nearest known name, for hints in refusals.

/// How much of a name may be mistyped for a known one still to be suggested. Higher suggests names
/// that have nothing to do with what was meant, lower misses swapped or missing letters.
const LIKENESS: f64 = 0.75;

/// The name of `known` that `wrong` most resembles, if any does.
pub(crate) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wrong = wrong.to_ascii_lowercase();
    known
        .into_iter()
        .map(|name| {
            (
                strsim::jaro_winkler(&wrong, &name.to_ascii_lowercase()),
                name,
            )
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// `nearest` as the end of a message; empty when nothing is near.
pub(crate) fn hint<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, known).map_or_else(String::new, |name| format!(" Did you mean '{name}'?"))
}
