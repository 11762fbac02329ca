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
