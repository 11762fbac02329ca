use super::*;

fn prefer(header: &str) -> Prefer {
    let mut prefer = Prefer::default();
    prefer.read(header).unwrap();
    prefer
}

#[test]
fn several_preferences_come_in_one_header() {
    let prefer =
        prefer("return=representation, odata.maxpagesize=2,odata.include-annotations=\"*\"");
    assert!(prefer.representation);
    assert_eq!(prefer.page_rows, Some(2));
    assert_eq!(prefer.annotations.as_deref(), Some("*"));
    assert_eq!(
        prefer.applied_to_list().as_deref(),
        Some("odata.maxpagesize=2, odata.include-annotations=\"*\"")
    );
    assert_eq!(
        prefer.applied_to_row().as_deref(),
        Some("return=representation, odata.include-annotations=\"*\"")
    );
}

#[test]
fn commas_inside_quotes_belong_to_the_list_of_annotations() {
    let list = format!("odata.include-annotations=\"{FORMATTED},Microsoft.Dynamics.CRM.*\"");
    let wanted = prefer(&list).value_annotations();
    assert!(wanted.formatted && wanted.lookup);
    let wanted = prefer("odata.include-annotations=\"*,-OData.*\"").value_annotations();
    assert!(!wanted.formatted && wanted.lookup);
    assert_eq!(prefer("").value_annotations(), Annotations::default());
}

#[test]
fn continue_on_error_may_be_spelled_out() {
    assert!(prefer("odata.continue-on-error").continue_on_error);
    assert!(prefer("odata.continue-on-error=true").continue_on_error);
    assert!(!prefer("odata.continue-on-error=false").continue_on_error);
}

#[test]
fn a_page_size_beyond_the_limit_is_the_limit_and_nonsense_is_refused() {
    assert_eq!(
        prefer("odata.maxpagesize=9000").page_rows,
        Some(MAX_PAGE_ROWS)
    );
    for wrong in [
        "odata.maxpagesize=0",
        "odata.maxpagesize=x",
        "odata.maxpagesize",
    ] {
        assert_eq!(
            Prefer::default().read(wrong).unwrap_err().status,
            400,
            "{wrong}"
        );
    }
}

#[test]
fn unknown_preferences_are_ignored() {
    assert_eq!(prefer("respond-async, foo=bar; x=y"), Prefer::default());
}

proptest::proptest! {
    #[test]
    fn any_header_is_read_or_refused(header in ".*") {
        let _ = Prefer::default().read(&header);
    }
}
