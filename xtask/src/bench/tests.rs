//! Medians and the reading of results.

use super::*;

#[test]
fn nested_numbers_get_dotted_names_and_words_are_left_out() {
    let value = json!({"rate": 12.5, "latency_ms": {"p50": 2, "p99": 9}, "note": "x"});
    let names: Vec<_> = numbers(&value).into_iter().collect();
    let expected = [
        ("latency_ms.p50", 2.0),
        ("latency_ms.p99", 9.0),
        ("rate", 12.5),
    ];
    assert_eq!(
        names,
        expected.map(|(name, number)| (name.to_owned(), number))
    );
}

#[test]
fn the_median_ignores_one_noisy_run() {
    let runs = [1.0, 900.0, 2.0].map(|rate| Numbers::from([("rate".to_owned(), rate)]));
    let fields = by_field(&runs);
    assert!((median(&fields["rate"]) - 2.0).abs() < f64::EPSILON);
}
