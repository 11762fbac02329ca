use super::*;

#[test]
fn text_compares_without_regard_to_case_in_any_script() {
    assert_eq!(compare("Hello", "hELLO"), Ordering::Equal);
    assert_eq!(compare("ÄRGER straße", "ärger STRAßE"), Ordering::Equal);
    assert_eq!(compare("ЖУК", "жук"), Ordering::Equal);
    assert_eq!(compare("a", "B"), Ordering::Less);
    assert_eq!(compare("Z", "a"), Ordering::Greater);
    assert_eq!(compare("ab", "ABC"), Ordering::Less);
    assert_eq!(compare("", ""), Ordering::Equal);
}

#[test]
fn patterns_match_at_their_place_and_honour_wildcards() {
    assert!(matches("Some Text", "TEXT", Place::End));
    assert!(matches("Some Text", "some", Place::Start));
    assert!(matches("Some Text", "e t", Place::Anywhere));
    assert!(!matches("Some Text", "text", Place::Start));
    assert!(matches("a50b", "5%b", Place::End));
    assert!(matches("cat", "c_t", Place::Start));
    assert!(matches("cut", "c[a-u]t", Place::Start));
    assert!(!matches("cat", "c[^a]t", Place::Start));
    assert!(matches("a[b", "[", Place::Anywhere));
    assert!(matches("anything", "", Place::Anywhere));
    assert!(matches("", "", Place::End));
    assert!(matches("ÜBER", "übe", Place::Start));
}

proptest::proptest! {
    #[test]
    fn comparing_is_a_total_order_that_agrees_with_lower_case(a in "\\PC{0,8}", b in "\\PC{0,8}") {
        let expected = a.chars().flat_map(char::to_lowercase).cmp(b.chars().flat_map(char::to_lowercase));
        proptest::prop_assert_eq!(compare(&a, &b), expected);
        proptest::prop_assert_eq!(compare(&b, &a), expected.reverse());
    }
}

#[test]
fn texts_that_differ_within_a_character_compare_by_the_whole_character() {
    // Same first byte of a two-byte character behind eight equal bytes, and in the middle of them.
    assert_eq!(compare("12345678Ä", "12345678ä"), Ordering::Equal);
    assert_eq!(compare("1234567Ä9", "1234567ä9"), Ordering::Equal);
    assert_eq!(compare("1234567Ä9", "1234567Ö9"), Ordering::Less);
    assert_eq!(
        compare("1234567890abcdefX", "1234567890ABCDEFx"),
        Ordering::Equal
    );
}

proptest::proptest! {
    #[test]
    fn the_short_way_to_match_agrees_with_the_long_one(
        text in "[aAbB]{0,6}",
        pattern in "[aAbB]{0,3}",
    ) {
        for place in [Place::Anywhere, Place::Start, Place::End] {
            // A character beyond ASCII at the end of the text takes the long way.
            let long = match place {
                Place::End => matches(&format!("ä{text}"), &pattern, place),
                Place::Anywhere | Place::Start => matches(&format!("{text}ä"), &pattern, place),
            };
            proptest::prop_assert_eq!(matches(&text, &pattern, place), long);
        }
    }
}

#[test]
fn a_long_pattern_that_nearly_matches_everywhere_takes_no_longer_than_the_text() {
    let text = "a".repeat(1_000_000);
    let pattern = format!("{}b", "A".repeat(500_000));
    assert!(!matches(&text, &pattern, Place::Anywhere));
    assert!(!matches(&text, &format!("{pattern}%c"), Place::Anywhere));
    assert!(matches(&text, &pattern[..500_000], Place::Anywhere));
}
