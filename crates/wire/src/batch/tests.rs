//! Batches survive their bytes, in the dialects of real clients, and no bytes make the reader panic.

use proptest::prelude::*;

use super::*;

const TYPE: &str = "multipart/mixed; boundary=batch_1";

fn decode(text: &str) -> Vec<Part<Request>> {
    decode_request(TYPE, &Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn refusal(content_type: &str, text: &str) -> String {
    let body = Bytes::copy_from_slice(text.as_bytes());
    let fault = decode_request(content_type, &body).unwrap_err();
    assert_eq!(fault.status, 400);
    fault.message
}

#[test]
fn a_written_request_is_read_back() {
    let mut writer = RequestWriter::new("1");
    writer.single("GET", "/api/data/v9.2/a?$top=1", &[("Prefer", "x")], |_| {});
    writer.begin_change_set();
    writer.change(1, "PATCH", "/a(1)", &[("If-Match", "W/\"7\"")], |out| {
        out.extend_from_slice(b"{\"a\":1}");
    });
    writer.change(2, "DELETE", "$1", &[], |_| {});
    writer.end_change_set();
    assert_eq!(writer.content_type(), TYPE);
    let parts = decode_request(TYPE, &writer.finish()).unwrap();
    let [Part::Single(get), Part::ChangeSet(changes)] = &parts[..] else {
        panic!("{parts:?}");
    };
    assert_eq!(
        (get.method.as_str(), get.target.as_str()),
        ("GET", "/api/data/v9.2/a?$top=1")
    );
    assert_eq!(get.headers.get("prefer"), Some("x"));
    assert!(get.body.is_empty());
    assert_eq!(changes[0].headers.get("if-match"), Some("W/\"7\""));
    assert_eq!(&changes[0].body[..], b"{\"a\":1}");
    assert_eq!(changes[1].content_id.as_deref(), Some("2"));
}

#[test]
fn a_written_answer_is_read_back() {
    let mut writer = ResponseWriter::new("9");
    writer.single(200, None, &[("ETag", "W/\"1\"")], b"{}");
    writer.begin_change_set();
    writer.change(204, Some("1"), &[("OData-EntityId", "/a(1)")], b"");
    writer.end_change_set();
    writer.single(412, Some("2"), &[], b"{\"error\":{}}");
    let kind = writer.content_type();
    let parts = decode_response(&kind, &writer.finish()).unwrap();
    let [Part::Single(one), Part::ChangeSet(set), Part::Single(fault)] = &parts[..] else {
        panic!("{parts:?}");
    };
    assert_eq!(
        (one.status, one.headers.get("etag")),
        (200, Some("W/\"1\""))
    );
    assert_eq!(
        (set[0].status, set[0].content_id.as_deref()),
        (204, Some("1"))
    );
    assert_eq!(
        (fault.status, &fault.body[..]),
        (412, &b"{\"error\":{}}"[..])
    );
}

/// What npm `dynamics-web-api` sends: a preamble, no space after `;`, everything in change sets.
#[test]
fn the_dialect_of_dynamics_web_api_is_read() {
    let body = "\r\n--batch_1\r\nContent-Type: multipart/mixed;boundary=changeset_2\r\n\r\n\
        --changeset_2\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\
        Content-ID: 100001\r\n\r\nPOST http://127.0.0.1:1/api/data/v9.2/contacts HTTP/1.1\r\n\
        Content-Type: application/json\r\n\r\n{\"firstname\":\"A\"}\r\n\r\n--changeset_2--\r\n\r\n\
        --batch_1--";
    let parts = decode(body);
    let [Part::ChangeSet(changes)] = &parts[..] else {
        panic!("{parts:?}");
    };
    assert_eq!(
        changes[0].target,
        "http://127.0.0.1:1/api/data/v9.2/contacts"
    );
    assert_eq!(changes[0].content_id.as_deref(), Some("100001"));
    assert_eq!(&changes[0].body[..], b"{\"firstname\":\"A\"}");
}

#[test]
fn line_feeds_alone_missing_spaces_and_missing_blank_lines_are_tolerated() {
    let body = "--batch_1\nContent-Type:application/http\nContent-ID:1\n\n\
        GET /a?$filter=x eq 'y z' HTTP/1.1\nAccept:application/json\n\
        --batch_1\nContent-Type: application/http\n\nGET /b HTTP/1.1\n\n\n--batch_1--";
    for (kind, text) in [
        (TYPE, body.to_owned()),
        (
            "Multipart/Mixed;Boundary=\"batch_1\"",
            body.replace('\n', "\r\n"),
        ),
    ] {
        let parts = decode_request(kind, &text.into()).unwrap();
        let [Part::Single(a), Part::Single(b)] = &parts[..] else {
            panic!("{parts:?}");
        };
        assert_eq!(a.target, "/a?$filter=x eq 'y z'");
        assert_eq!(a.headers.get("Accept"), Some("application/json"));
        assert_eq!(a.content_id.as_deref(), Some("1"));
        assert_eq!(b.target, "/b");
    }
}

#[test]
fn a_boundary_inside_a_body_is_no_boundary() {
    let body = "--batch_1\r\nContent-Type: application/http\r\n\r\nPOST /a HTTP/1.1\r\n\r\n\
        {\"a\":\"--batch_1--\"}\r\n--batch_12\r\n--batch_1--\r\n";
    let parts = decode(body);
    let [Part::Single(post)] = &parts[..] else {
        panic!("{parts:?}");
    };
    assert_eq!(&post.body[..], b"{\"a\":\"--batch_1--\"}\r\n--batch_12");
}

#[test]
fn mistakes_are_named() {
    let part = |line: &str| {
        format!("--batch_1\r\nContent-Type: application/http\r\n\r\n{line}\r\n\r\n--batch_1--\r\n")
    };
    let set = "--batch_1\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\
        Content-Type: application/http\r\n\r\nGET /a HTTP/1.1\r\n\r\n--c--\r\n--batch_1--";
    let nested = "--batch_1\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\
        Content-Type: multipart/mixed; boundary=d\r\n\r\n--d--\r\n--c--\r\n--batch_1--";
    insta::assert_snapshot!(refusal("application/json", "{}"), @"A batch needs the content type multipart/mixed with a boundary; it has 'application/json'.");
    insta::assert_snapshot!(refusal(TYPE, ""), @"The batch does not end with its boundary '--batch_1--'.");
    insta::assert_snapshot!(refusal(TYPE, "--batch_1\r\nContent-Type: application/http\r\n\r\nGET /a HTTP/1.1"), @"The batch does not end with its boundary '--batch_1--'.");
    insta::assert_snapshot!(refusal(TYPE, &part("GET /a")), @"A part of a batch begins with 'GET /a', which is no request line.");
    insta::assert_snapshot!(refusal(TYPE, &part("")), @"A part of a batch begins with '', which is no request line.");
    insta::assert_snapshot!(refusal(TYPE, set), @"A change set cannot contain a GET request (/a).");
    insta::assert_snapshot!(refusal(TYPE, nested), @"A part of a batch has the content type 'multipart/mixed; boundary=d'; it must be application/http.");
}

#[test]
fn more_than_a_thousand_requests_are_refused() {
    let batch = |requests: usize| {
        let mut writer = RequestWriter::new("1");
        for i in 0..requests {
            if i % 10 == 0 {
                writer.begin_change_set();
            }
            writer.change(i, "PATCH", "/a", &[], |_| {});
        }
        decode_request(TYPE, &writer.finish())
    };
    assert_eq!(batch(MAX_PARTS).map(|parts| parts.len()), Ok(100));
    assert_eq!(batch(MAX_PARTS + 1).unwrap_err().status, 400);
}

#[test]
fn an_answer_that_was_cut_off_keeps_its_whole_parts() {
    let mut writer = ResponseWriter::new("9");
    writer.single(204, None, &[], b"");
    writer.single(200, None, &[], b"{\"long\":true}");
    let (kind, whole) = (writer.content_type(), writer.finish());
    let cut = whole.slice(..whole.len() - 30);
    assert_eq!(decode_response(&kind, &cut).unwrap().len(), 1);
    assert!(decode_response(&kind, &Bytes::from_static(b"<html>")).is_err());
    assert!(decode_response("text/html", &whole).is_err());
}

#[test]
fn line_ends_in_header_values_cannot_add_headers() {
    let mut writer = RequestWriter::new("1");
    writer.single("GET", "/a\r\nX: 1", &[("A", "b\r\nY: 2\n\nZ")], |_| {});
    let parts = decode_request(TYPE, &writer.finish()).unwrap();
    let [Part::Single(get)] = &parts[..] else {
        panic!("{parts:?}");
    };
    assert_eq!(get.headers.iter().collect::<Vec<_>>(), [("A", "bY: 2Z")]);
}

fn bodies() -> impl Strategy<Value = String> {
    "[ -~]{0,40}".prop_map(|text| serde_json::json!({ "text": text }).to_string())
}

fn requests() -> impl Strategy<Value = Vec<(bool, Vec<(String, String)>)>> {
    let part = (
        any::<bool>(),
        prop::collection::vec(("/[a-z(),$?=]{1,20}", bodies()), 1..4),
    );
    prop::collection::vec(part, 1..6)
}

proptest! {
    #[test]
    fn every_batch_survives_its_bytes(parts in requests()) {
        let mut writer = RequestWriter::new("x");
        for (in_set, requests) in &parts {
            if *in_set {
                writer.begin_change_set();
            }
            for (i, (target, body)) in requests.iter().enumerate() {
                let write = |out: &mut Vec<u8>| out.extend_from_slice(body.as_bytes());
                match in_set {
                    true => writer.change(i, "PATCH", target, &[], write),
                    false => writer.single("POST", target, &[], write),
                }
            }
            writer.end_change_set();
        }
        let kind = writer.content_type();
        let read = decode_request(&kind, &writer.finish()).unwrap();
        let flat = |part: Part<Request>| match part {
            Part::Single(request) => vec![request],
            Part::ChangeSet(requests) => requests,
        };
        let read: Vec<_> = read.into_iter().flat_map(flat).collect();
        let sent: Vec<_> = parts.iter().flat_map(|(_, requests)| requests).collect();
        prop_assert_eq!(read.len(), sent.len());
        for (read, (target, body)) in read.iter().zip(sent) {
            prop_assert_eq!(&read.target, target);
            prop_assert_eq!(&read.body[..], body.as_bytes());
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let body = Bytes::from(bytes);
        let _ = decode_request(TYPE, &body);
        let _ = decode_response(TYPE, &body);
    }

    #[test]
    fn no_heap_of_lines_makes_the_reader_panic(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "--batch_1", "--batch_1--", "--c", "--c--", "", "\r", "\r\n", "GET /a HTTP/1.1",
                "Content-Type: application/http", "Content-Type: multipart/mixed; boundary=c",
                "HTTP/1.1 204 No Content", "{}", "Content-Type: multipart/mixed; boundary=batch_1",
            ]),
            0..30,
        )
    ) {
        let body = Bytes::from(lines.join("\n"));
        let _ = decode_request(TYPE, &body);
        let _ = decode_response(TYPE, &body);
    }
}
