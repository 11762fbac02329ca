//! Filters in SQL mean what a naive reading of OData means.

use proptest::prelude::*;
use rusqlite::Connection;
use shraga_wire::filter::{Comparison, Filter, Literal, Operand, TextFunction};
use shraga_wire::schema::{ColumnDef, ColumnKind, IndexDef, Ownership, TableDef, system_user};
use uuid::Uuid;

use super::*;
use crate::sql;

fn column(logical: &str, kind: ColumnKind) -> ColumnDef {
    ColumnDef {
        metadata_id: Uuid::nil(),
        logical: logical.to_owned(),
        schema: logical.to_owned(),
        display: logical.to_owned(),
        kind,
        required: false,
    }
}

fn table() -> Table {
    Table::new(TableDef {
        logical: "x_row".to_owned(),
        primary_id: "x_rowid".to_owned(),
        primary_name: "a".to_owned(),
        ownership: Ownership::OrganizationOwned,
        columns: vec![
            column("a", ColumnKind::Text { max: 10 }),
            column("b", ColumnKind::Text { max: 10 }),
            column("n", ColumnKind::BigInt),
            column("m", ColumnKind::BigInt),
            column("f", ColumnKind::yes_no()),
        ],
        indexes: vec![IndexDef {
            columns: vec!["n".to_owned()],
            rows: Some("a eq 'x' and m eq 1".to_owned()),
        }],
        access: shraga_wire::schema::Access::default(),
        ..system_user()
    })
}

type Row = (
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<bool>,
);

const TEXTS: [&str; 6] = ["", "x", "X", "xy", "ä", "Äx"];

fn rows() -> impl Strategy<Value = Row> {
    let text =
        || proptest::option::of(proptest::sample::select(&TEXTS[..]).prop_map(str::to_owned));
    let number = || proptest::option::of(-1_i64..3);
    (
        text(),
        text(),
        number(),
        number(),
        proptest::option::of(any::<bool>()),
    )
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    proptest::sample::select(vec![Eq, Ne, Gt, Ge, Lt, Le])
}

fn filters() -> impl Strategy<Value = Filter> {
    let of = |columns: &'static [&'static str]| {
        proptest::sample::select(columns).prop_map(|c| Operand::Column(c.to_owned()))
    };
    let text = || {
        prop_oneof![
            proptest::sample::select(&TEXTS[..]).prop_map(|t| Literal::Text(t.to_owned())),
            Just(Literal::Null)
        ]
    };
    let number = || {
        prop_oneof![
            (-1_i64..3).prop_map(Literal::Int),
            proptest::sample::select(vec![0.5, 1.0]).prop_map(Literal::Decimal),
            Just(Literal::Null)
        ]
    };
    let texts = || prop_oneof![of(&["a", "b"]), text().prop_map(Operand::Literal)];
    let numbers = || prop_oneof![of(&["n", "m"]), number().prop_map(Operand::Literal)];
    let functions = proptest::sample::select(vec![
        TextFunction::Contains,
        TextFunction::StartsWith,
        TextFunction::EndsWith,
    ]);
    let leaf = prop_oneof![
        (of(&["a", "b"]), comparisons(), texts()).prop_map(|(l, c, r)| Filter::Compare(l, c, r)),
        (texts(), comparisons(), of(&["a", "b"])).prop_map(|(l, c, r)| Filter::Compare(l, c, r)),
        (of(&["n", "m"]), comparisons(), numbers()).prop_map(|(l, c, r)| Filter::Compare(l, c, r)),
        (of(&["f"]), comparisons(), any::<bool>())
            .prop_map(|(l, c, b)| { Filter::Compare(l, c, Operand::Literal(Literal::Bool(b))) }),
        (functions, texts()).prop_map(|(f, o)| Filter::Text(f, "a".to_owned(), o)),
        (proptest::collection::vec(number(), 0..3), any::<bool>()).prop_map(|(values, negated)| {
            Filter::In {
                column: "n".to_owned(),
                values,
                negated,
            }
        }),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Filter::Or),
            inner.prop_map(|f| Filter::Not(Box::new(f))),
        ]
    })
}

#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Value {
    Null,
    Number(f64),
    Text(String),
    Bool(bool),
}

#[expect(clippy::cast_precision_loss, reason = "numbers here are tiny")]
fn value(row: &Row, operand: &Operand) -> Value {
    let text = |t: &Option<String>| {
        t.as_ref()
            .map_or(Value::Null, |t| Value::Text(t.to_lowercase()))
    };
    let number = |n: Option<i64>| n.map_or(Value::Null, |n| Value::Number(n as f64));
    match operand {
        Operand::Column(c) => match c.as_str() {
            "a" => text(&row.0),
            "b" => text(&row.1),
            "n" => number(row.2),
            "m" => number(row.3),
            _ => row.4.map_or(Value::Null, Value::Bool),
        },
        Operand::Literal(Literal::Text(t)) => Value::Text(t.to_lowercase()),
        Operand::Literal(Literal::Int(n)) => Value::Number(*n as f64),
        Operand::Literal(Literal::Decimal(x)) => Value::Number(*x),
        Operand::Literal(Literal::Bool(b)) => Value::Bool(*b),
        Operand::Literal(_) | Operand::Alias(_) => Value::Null,
    }
}

/// What OData says, without SQL in mind.
fn naive(row: &Row, filter: &Filter) -> bool {
    match filter {
        Filter::And(all) => all.iter().all(|f| naive(row, f)),
        Filter::Or(any) => any.iter().any(|f| naive(row, f)),
        Filter::Not(inner) => !naive(row, inner),
        Filter::Compare(a, by, b) => {
            let (a, b) = (value(row, a), value(row, b));
            match by {
                Comparison::Eq => a == b,
                Comparison::Ne => a != b,
                _ if a == Value::Null || b == Value::Null => false,
                Comparison::Gt => a > b,
                Comparison::Ge => a >= b,
                Comparison::Lt => a < b,
                Comparison::Le => a <= b,
            }
        }
        Filter::Text(function, column, operand) => {
            match (
                value(row, &Operand::Column(column.clone())),
                value(row, operand),
            ) {
                (Value::Text(text), Value::Text(part)) => match function {
                    TextFunction::Contains => text.contains(&part),
                    TextFunction::StartsWith => text.starts_with(&part),
                    TextFunction::EndsWith => text.ends_with(&part),
                },
                _ => false,
            }
        }
        Filter::In {
            column,
            values,
            negated,
        } => {
            let own = value(row, &Operand::Column(column.clone()));
            let among = |v: &Literal| value(row, &Operand::Literal(v.clone())) == own;
            values.iter().any(among) != *negated
        }
    }
}

fn in_sql(conn: &Connection, table: &Table, row: &Row, condition: &Sql) -> bool {
    conn.execute("DELETE FROM t_x_row", []).unwrap();
    conn.execute(
        "INSERT INTO t_x_row (a, b, n, m, f) VALUES (?, ?, ?, ?, ?)",
        rusqlite::params![row.0, row.1, row.2, row.3, row.4],
    )
    .unwrap();
    let mut query = Sql::default();
    sql::rows::holds(&mut query, table, condition);
    let cells: Vec<Cell> = query
        .params
        .iter()
        .map(|p| match p {
            Param::Cell(cell) => cell.clone(),
            Param::Caller(..) => unreachable!("no rule here"),
        })
        .collect();
    let mut statement = conn.prepare_cached(&query.text).unwrap();
    sql::bind(&mut statement, &cells).unwrap();
    statement.raw_query().next().unwrap().is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sql_selects_what_a_naive_reading_selects(
        tree in proptest::collection::vec(filters(), 1..4),
        rows in proptest::collection::vec(rows(), 1..6),
    ) {
        let table = table();
        prop_assert_eq!(table.problem(), None);
        let conn = sql::connect_writer(std::path::Path::new(":memory:")).unwrap();
        sql::ddl::create_table(&conn, &table).unwrap();
        for tree in &tree {
            let condition = filter(&table, tree).unwrap();
            for row in &rows {
                prop_assert_eq!(
                    in_sql(&conn, &table, row, &condition),
                    naive(row, tree),
                    "{:?} on {:?}: {}", tree, row, condition.text
                );
            }
        }
    }
}

/// How the engine would carry out a read of shipped tables.
fn plan(set: &str, filter_text: &str, order: &str) -> String {
    let conn = sql::connect_writer(std::path::Path::new(":memory:")).unwrap();
    let defs = shraga_wire::schema::shipped();
    let def = defs.into_iter().find(|def| def.set == set).unwrap();
    let table = Table::new(def);
    assert_eq!(table.problem(), None);
    sql::ddl::create_table(&conn, &table).unwrap();
    let mut query = Sql::default();
    sql::rows::select(&mut query, &table, &[]);
    query.push(&filter(&table, &filter_text.parse().unwrap()).unwrap());
    let by = order.split(',').filter(|c| !c.is_empty());
    let by: Vec<_> = by
        .map(|c| shraga_wire::query::OrderBy {
            column: c.trim_end_matches(" desc").to_owned(),
            descending: c.ends_with(" desc"),
        })
        .collect();
    query.push_orders(&table, &orders(&table, &by).unwrap());
    sql::rows::push_limit(&mut query, 100);
    let explain = format!("EXPLAIN QUERY PLAN {}", query.text);
    let mut statement = conn.prepare(&explain).unwrap();
    let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3));
    steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_questions_of_the_loops_use_an_index_and_sort_nothing() {
    let worker = Uuid::nil();
    for (set, filter, order) in [
        (
            "cr_shraga_tasks",
            "cr_status eq 1 and cr_ismirror ne true and cr_mirrortaskid eq null".to_owned(),
            "createdon",
        ),
        (
            "cr_shraga_tasks",
            "cr_status eq 1 and cr_ismirror eq true".to_owned(),
            "cr_rank",
        ),
        (
            "cr_shraga_tasks",
            format!(
                "cr_assignedworkerid eq '{worker}' and cr_ismirror eq true and \
                 (cr_status eq 5 or cr_status eq 6 or cr_status eq 11)"
            ),
            "",
        ),
        (
            "cr_shraga_tasks",
            format!("cr_mirroroftaskid eq '{worker}'"),
            "",
        ),
        (
            "cr_shraga_tasks",
            format!("_ownerid_value eq {worker} and cr_ismirror ne true"),
            "createdon desc",
        ),
        (
            "cr_shraga_tasks",
            "versionnumber gt 100".to_owned(),
            "versionnumber",
        ),
        ("cr_shraga_events", format!("cr_taskid eq '{worker}'"), ""),
        (
            "cr_shraga_tasks",
            format!("cr_shraga_taskid eq {worker}"),
            "",
        ),
    ] {
        let plan = plan(set, &filter, order);
        assert!(plan.contains("USING INDEX"), "{filter}: {plan}");
        assert!(
            !plan.contains("SCAN") || plan.contains("\"i_") || plan.contains("i_cr"),
            "{filter}: {plan}"
        );
        assert!(
            !plan.contains("TEMP B-TREE") || order.is_empty(),
            "{filter}: {plan}"
        );
    }
}

#[test]
fn values_are_bound_unless_an_index_mentions_them() {
    let table = table();
    let text = |f: &str| filter(&table, &f.parse().unwrap()).unwrap().text;
    assert_eq!(text("a eq 'x' and m eq 1"), r#"("a" = 'x' AND "m" = 1)"#);
    assert_eq!(text("a eq 'it''s' and m eq 7"), r#"("a" = ? AND "m" = ?)"#);
}

#[test]
fn a_rule_may_ask_about_the_caller_and_nothing_else() {
    let table = table();
    assert!(rule(&table, "a eq @me").is_ok());
    for wrong in ["a eq @you", "a eq", "zzz eq @me"] {
        assert_eq!(rule(&table, wrong).unwrap_err().status, 400);
    }
    assert_eq!(
        literal_condition(&table, "a eq @me").unwrap_err().status,
        400
    );
}
