use uuid::Uuid;

use super::*;
use crate::ops::Role;
use crate::sql::{self, meta};

/// Rows as the program of each version wrote them, added once that version is reached, so that each
/// later migration is tried on them.
const SAMPLES: &[&str] = &["
    INSERT INTO s_meta VALUES ('version', 41);
    INSERT INTO s_table VALUES ('x_thing', 1, '{}', 7);
    INSERT INTO s_tombstone VALUES (40, 'x_thing', X'00000000000000000000000000000001', 1000);
    INSERT INTO s_token VALUES (
        X'00000000000000000000000000000002', zeroblob(32),
        X'00000000000000000000000000000003', 'ann@x', 'worker',
        X'00000000000000000000000000000004', 'shared', 2, 'gpu', 1000
    );
"];

#[test]
fn every_migration_keeps_what_a_database_holds() {
    assert_eq!(
        SAMPLES.len(),
        MIGRATIONS.len(),
        "each migration needs a sample"
    );
    let conn = sql::connect_writer(std::path::Path::new(":memory:")).unwrap();
    for (version, sample) in (0..).zip(SAMPLES) {
        assert_eq!(stored_version(&conn).unwrap(), version);
        step(&conn, version).unwrap();
        conn.execute_batch(sample).unwrap();
    }
    migrate(&conn, stored_version(&conn).unwrap()).unwrap();
    assert_eq!(stored_version(&conn).unwrap(), KNOWN);
    assert_eq!(meta::number(&conn, meta::VERSION).unwrap(), Some(41));
    assert_eq!(meta::tables(&conn).unwrap()[0].logical, "x_thing");
    assert_eq!(meta::delta_floor(&conn, "x_thing").unwrap(), Some(7));
    let deleted = meta::tombstones(&conn, "x_thing", 0, 99, 10).unwrap();
    assert_eq!(deleted, [(40, Uuid::from_u128(1))]);
    let token = &meta::tokens(&conn).unwrap()[0];
    assert_eq!((token.user, token.role), (Uuid::from_u128(3), Role::Worker));
    assert_eq!(token.worker.as_ref().unwrap().labels, "gpu");
}
