//! Guarantee 5: an update of no row or of no field can't be expressed, or is a typed error before any request.
//! That neither row nor version can be left out is held by the compiler: the examples of `Write::update`.

use shraga_core::ids::Etag;
use shraga_core::row::{ChangeSet, Condition, Table, Write, tasks};
use shraga_dataverse::transport::{NetworkOptions, network};
use shraga_dataverse::{Client, Error, OnRefusal, Options};
use shraga_testkit::evil::{Act, Evil};
use uuid::Uuid;

fn client(evil: &Evil) -> Client {
    let transport = network(&NetworkOptions {
        no_proxy: true,
        ..NetworkOptions::default()
    });
    Client::new(Options::new(
        evil.url().parse().unwrap(),
        transport.unwrap(),
    ))
    .unwrap()
}

#[tokio::test]
async fn guarantee_05_an_update_of_no_row_or_of_nothing_is_a_typed_error_and_no_request() {
    let evil = Evil::with([Act::Close]);
    let client = client(&evil);
    let (row, seen) = (Uuid::from_u128(7), Etag::new("W/\"1\""));
    let name = || vec![(tasks::NAME, "new".into())];
    for (id, cells, lacks) in [
        (Uuid::nil(), name(), "a write to tasks names no row"),
        (row, Vec::new(), "a write to tasks sets nothing"),
    ] {
        let set = ChangeSet {
            task: None,
            why: "a test".to_owned(),
            writes: vec![Write::update(Table::Tasks, id, &seen, cells.clone())],
        };
        let together = client.apply(&[set], OnRefusal::Continue).await.unwrap_err();
        let version = Condition::Version(seen.clone());
        let alone = client
            .patch(Table::Tasks, id, &version, &cells)
            .await
            .unwrap_err();
        for error in [together, alone] {
            assert!(matches!(error, Error::EmptyWrite { .. }), "{error:?}");
            assert_eq!(error.to_string(), lacks);
        }
    }
    assert!(evil.seen().is_empty());
}
