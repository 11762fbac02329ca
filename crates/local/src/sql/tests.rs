use super::*;

#[test]
fn a_statement_past_its_deadline_ends_with_a_timeout() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    drop(connect_writer(&file).unwrap());
    let (conn, deadline) = connect_reader(&file).unwrap();
    // Counts for hours unless it is stopped.
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    // The clock must have passed the deadline; it counts from its first reading.
    let first = monotonic_ms();
    while monotonic_ms() == first {
        std::hint::spin_loop();
    }
    deadline.set(first);
    let ended = conn
        .query_row(endless, [], |row| row.get::<_, i64>(0))
        .unwrap_err();
    assert_eq!(failure(&ended), Failure::Timeout);
    // A few steps, each of which may be long.
    let search = format!("SELECT {CONTAINS}('text', 'x')");
    let ended = conn
        .query_row(&search, [], |row| row.get::<_, bool>(0))
        .unwrap_err();
    assert_eq!(failure(&ended), Failure::Timeout);
    deadline.lift();
    let one: i64 = conn.query_row("SELECT 1", [], |row| row.get(0)).unwrap();
    assert_eq!(one, 1);
}

#[test]
fn a_reading_connection_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    drop(connect_writer(&file).unwrap());
    let (conn, _) = connect_reader(&file).unwrap();
    assert!(conn.execute_batch("CREATE TABLE t (a)").is_err());
}

#[test]
fn literals_come_back_as_they_were_whatever_they_hold() {
    let conn = connect_writer(Path::new(":memory:")).unwrap();
    for value in [
        Cell::Null,
        Cell::Int(i64::MIN + 1),
        Cell::Real(-0.1),
        Cell::Real(1e300),
        Cell::Text("it's; -- \"quoted\"".to_owned()),
        Cell::Id(Uuid::from_u128(7)),
    ] {
        let mut text = "SELECT ".to_owned();
        push_literal(&mut text, &value);
        let back = conn
            .query_row(&text, [], |row| Ok(cell(row.get_ref(0)?)))
            .unwrap();
        assert_eq!(back, value);
    }
}
