use super::*;

fn time(seconds: i64) -> String {
    let mut out = Vec::new();
    push_time(&mut out, seconds);
    String::from_utf8(out).unwrap()
}

#[test]
fn times_are_written_in_whole_seconds_of_utc() {
    assert_eq!(time(0), "1970-01-01T00:00:00Z");
    assert_eq!(time(1_680_904_741), "2023-04-07T21:59:01Z");
    assert_eq!(time(1_709_164_800), "2024-02-29T00:00:00Z");
    assert_eq!(time(-1), "1969-12-31T23:59:59Z");
    assert_eq!(time(i64::MAX), "9999-12-31T23:59:59Z");
}

#[test]
fn formatted_values_are_those_of_an_english_user() {
    let integer = ColumnKind::BigInt;
    assert_eq!(
        value(&integer, ValueRef::Integer(-1_234_567)).unwrap(),
        "-1,234,567"
    );
    assert_eq!(value(&integer, ValueRef::Integer(12)).unwrap(), "12");
    let decimal = ColumnKind::Decimal { precision: 2 };
    assert_eq!(value(&decimal, ValueRef::Real(1234.5)).unwrap(), "1,234.50");
    assert_eq!(
        value(&ColumnKind::yes_no(), ValueRef::Integer(1)).unwrap(),
        "Yes"
    );
    let time = value(&ColumnKind::DateTime, ValueRef::Integer(1_680_904_741));
    assert_eq!(time.unwrap(), "4/7/2023 9:59 PM");
    assert_eq!(value(&ColumnKind::Guid, ValueRef::Blob(&[0; 16])), None);
}

proptest::proptest! {
    #[test]
    fn times_agree_with_the_calendar_library(seconds in -62_135_596_800_i64..253_402_207_200) {
        let expected = jiff::Timestamp::from_second(seconds).unwrap().to_string();
        proptest::prop_assert_eq!(time(seconds), expected);
    }
}
