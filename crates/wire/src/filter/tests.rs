//! Filters survive their text, and refuse what they are not.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Filter {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn refusal(text: &str) -> String {
    text.parse::<Filter>().unwrap_err().to_string()
}

#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    let a = || Filter::eq("a", 1);
    let b = || Filter::eq("b", true);
    let c = || Filter::is_null("c");
    assert_eq!(
        parse("a eq 1 or b eq true and c eq null"),
        Filter::Or(vec![a(), Filter::And(vec![b(), c()])])
    );
    assert_eq!(
        parse("(a eq 1 or b eq true) and c eq null"),
        Filter::And(vec![Filter::Or(vec![a(), b()]), c()])
    );
    assert_eq!(
        parse("not a eq 1 and b eq true"),
        Filter::And(vec![Filter::Not(Box::new(a())), b()])
    );
}

#[test]
fn constants_are_what_they_look_like() {
    let literal = |text: &str| parse_literal(text).unwrap();
    let id = "0193f0a1-b2c3-7d4e-8f90-112233445566";
    let at = |text: &str| Literal::DateTime(text.parse().unwrap());
    assert_eq!(literal("-12"), Literal::Int(-12));
    assert_eq!(literal("1.50"), Literal::Decimal(1.5));
    assert_eq!(literal("2e3"), Literal::Decimal(2000.0));
    assert_eq!(literal(id), Literal::Guid(id.parse().unwrap()));
    assert_eq!(
        literal("E193F0A1-B2C3-7D4E-8F90-112233445566"),
        Literal::Guid("e193f0a1-b2c3-7d4e-8f90-112233445566".parse().unwrap())
    );
    assert_eq!(literal(&format!("'{id}'")), Literal::from(id));
    assert_eq!(literal("2023-04-07"), at("2023-04-07T00:00:00Z"));
    assert_eq!(literal("2023-04-07T21:59:01Z"), at("2023-04-07T21:59:01Z"));
    assert_eq!(
        literal("2023-04-07T21:59:01.25Z"),
        at("2023-04-07T21:59:01.25Z")
    );
    assert_eq!(
        literal("2023-04-07T21:59:01+02:00"),
        at("2023-04-07T19:59:01Z")
    );
    assert_eq!(literal("2023-04-07T21:59:01"), at("2023-04-07T21:59:01Z"));
    assert_eq!(literal("'It''s'"), Literal::from("It's"));
    assert_eq!(literal("''"), Literal::from(""));
    assert_eq!(literal(r#""a \"b\"""#), Literal::from("a \"b\""));
    assert_eq!(literal("[1,2]"), Literal::from("[1,2]"));
}

#[test]
fn lists_are_read_in_both_quote_styles() {
    let expected = Filter::is_in("cr_status", ["5", "6"]);
    assert_eq!(
        parse("Microsoft.Dynamics.CRM.In(PropertyName='cr_status',PropertyValues=['5','6'])"),
        expected
    );
    assert_eq!(
        parse(r#"Microsoft.Dynamics.CRM.In(PropertyName='cr_status', PropertyValues=["5", "6"])"#),
        expected
    );
    assert_eq!(
        parse("Microsoft.Dynamics.CRM.NotIn(PropertyName='a',PropertyValues=[])"),
        Filter::In {
            column: "a".to_owned(),
            values: vec![],
            negated: true
        }
    );
    assert_eq!(
        Filter::is_in("cr_status", [5, 6]).to_string(),
        "Microsoft.Dynamics.CRM.In(PropertyName='cr_status',PropertyValues=['5','6'])"
    );
}

#[test]
fn operands_may_be_columns_constants_and_aliases_on_either_side() {
    let column = |name: &str| Operand::Column(name.to_owned());
    assert_eq!(
        parse("createdon lt modifiedon"),
        Filter::Compare(column("createdon"), Comparison::Lt, column("modifiedon"))
    );
    assert_eq!(
        parse("@p1 ge _ownerid_value"),
        Filter::Compare(
            Operand::Alias("p1".to_owned()),
            Comparison::Ge,
            column("_ownerid_value")
        )
    );
    assert_eq!(
        parse("startswith(cr_stream,@worker) eq false"),
        Filter::Not(Box::new(Filter::Text(
            TextFunction::StartsWith,
            "cr_stream".to_owned(),
            Operand::Alias("worker".to_owned())
        )))
    );
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    insta::assert_snapshot!(refusal("a add 1 eq 2"), @"arithmetic (`add`) is not supported (at character 3 of $filter)");
    insta::assert_snapshot!(refusal("tolower(a) eq 'b'"), @"the function `tolower` is not supported; contains, startswith and endswith are (at character 1 of $filter)");
    insta::assert_snapshot!(refusal("Microsoft.Dynamics.CRM.LastXHours(PropertyName='a',PropertyValue=1)"), @"the function `Microsoft.Dynamics.CRM.LastXHours` is not supported; `Microsoft.Dynamics.CRM.In` and `Microsoft.Dynamics.CRM.NotIn` are (at character 1 of $filter)");
    insta::assert_snapshot!(refusal("owner/name eq 'a'"), @"navigation paths (`owner/name`) are not supported (at character 1 of $filter)");
    insta::assert_snapshot!(refusal("tasks/any(t:t/a eq 1)"), @"lambda expressions (`tasks/any`) are not supported (at character 1 of $filter)");
    insta::assert_snapshot!(refusal("a in (1,2)"), @"the operator `in` is not supported (at character 3 of $filter)");
    insta::assert_snapshot!(refusal("a eq length(b)"), @"the function `length` is not supported; contains, startswith and endswith are (at character 6 of $filter)");
}

#[test]
fn mistakes_are_named_with_their_place() {
    insta::assert_snapshot!(refusal(""), @"expected a column or a value, found the end (at character 1 of $filter)");
    insta::assert_snapshot!(refusal("a eq 'b"), @"a quoted text has no end (at character 6 of $filter)");
    insta::assert_snapshot!(refusal("a"), @"expected a comparison (eq, ne, gt, ge, lt, le), found the end (at character 2 of $filter)");
    insta::assert_snapshot!(refusal("a = 1"), @"expected a comparison (eq, ne, gt, ge, lt, le), found `=` (at character 3 of $filter)");
    insta::assert_snapshot!(refusal("(a eq 1"), @"expected `)`, found the end (at character 8 of $filter)");
    insta::assert_snapshot!(refusal("a eq 1)"), @"a closing parenthesis has no opening one (at character 7 of $filter)");
    insta::assert_snapshot!(refusal("ä eq 1"), @"unexpected `ä` (at character 1 of $filter)");
    insta::assert_snapshot!(refusal("a eq 12ab"), @"`12ab` is neither a column nor a value; text needs single quotes (at character 6 of $filter)");
    insta::assert_snapshot!(refusal("a eq 1 b eq 2"), @"expected `and`, `or` or the end, found `b` (at character 8 of $filter)");
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = format!("{}a eq 1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(refusal(&deep).starts_with("nested deeper than 64 levels"));
    let negated = format!("{}a eq 1", "not ".repeat(10_000));
    assert!(refusal(&negated).starts_with("nested deeper than 64 levels"));
    let wide = vec!["a eq 1"; MAX_TERMS + 1].join(" or ");
    assert!(refusal(&wide).starts_with("more than 4096"));
}

#[test]
fn columns_can_be_renamed_wherever_they_stand() {
    let mut filter = parse(
        "not (a eq b) and startswith(a,'a') and \
         Microsoft.Dynamics.CRM.In(PropertyName='a',PropertyValues=['a'])",
    );
    filter.rename_columns(&|name| format!("x_{name}"));
    insta::assert_snapshot!(filter, @"not (x_a eq x_b) and startswith(x_a,'a') and Microsoft.Dynamics.CRM.In(PropertyName='x_a',PropertyValues=['a'])");
}

fn literals() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(Literal::Int),
        any::<f64>()
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(Literal::Decimal),
        any::<u128>().prop_map(|n| Literal::Guid(Uuid::from_u128(n))),
        (0_i64..200_000_000_000_000)
            .prop_map(|ms| Literal::DateTime(jiff::Timestamp::from_millisecond(ms).unwrap())),
        ".*".prop_map(Literal::Text),
    ]
}

fn columns() -> impl Strategy<Value = String> {
    "[a-z_][a-z0-9_]{0,12}x"
}

fn operands() -> impl Strategy<Value = Operand> {
    prop_oneof![
        columns().prop_map(Operand::Column),
        literals().prop_map(Operand::Literal),
        "[a-z][a-z0-9]{0,4}".prop_map(Operand::Alias),
    ]
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    prop::sample::select(vec![Eq, Ne, Gt, Ge, Lt, Le])
}

fn filters() -> impl Strategy<Value = Filter> {
    use TextFunction::{Contains, EndsWith, StartsWith};
    let leaf = prop_oneof![
        (operands(), comparisons(), operands()).prop_map(|(a, c, b)| Filter::Compare(a, c, b)),
        (
            prop::sample::select(vec![Contains, StartsWith, EndsWith]),
            columns(),
            operands()
        )
            .prop_map(|(f, c, o)| Filter::Text(f, c, o)),
        (columns(), prop::collection::vec(".*", 0..4), any::<bool>()).prop_map(
            |(column, values, negated)| Filter::In {
                column,
                values: values.into_iter().map(Literal::Text).collect(),
                negated,
            }
        ),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|f| Filter::Not(Box::new(f))),
        ]
    })
}

proptest! {
    #[test]
    fn every_filter_survives_its_text(filter in filters()) {
        let text = filter.to_string();
        prop_assert_eq!(text.parse::<Filter>(), Ok(filter), "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = text.parse::<Filter>();
    }

    #[test]
    fn no_heap_of_tokens_makes_the_parser_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a", "eq", "and", "or", "not", "(", ")", "'x'", "1", "@p", ",", "[", "]", "=", "/",
                "contains", "Microsoft.Dynamics.CRM.In", "PropertyName", "PropertyValues", "null",
            ]),
            0..24,
        )
    ) {
        let _ = words.join(" ").parse::<Filter>();
    }
}
