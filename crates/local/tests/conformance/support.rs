//! A store with a table of every kind of column, people who use it, and short words for asking.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::Value;
use shraga_local::clock::Clock;
use shraga_local::http::{InProcess, in_process};
use shraga_local::ops::{Principal, Role, WorkerClaim};
use shraga_local::store::Store;
use shraga_wire::schema::{
    Access, ChoiceOption, ColumnDef, ColumnKind, Grant, KeyDef, Ownership, TableDef,
    WritableColumn, WriteRule, shipped,
};
use tempfile::TempDir;
use tower::ServiceExt;
use uuid::Uuid;

/// The time at which every test starts, seconds since the epoch: 2023-11-14T22:13:20Z.
pub(crate) const NOW: i64 = 1_700_000_000;
pub(crate) const ROOT: &str = "http://store.test/api/data/v9.2/";

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) admin: Principal,
    pub(crate) ann: Principal,
    pub(crate) bob: Principal,
    pub(crate) worker: Principal,
    _dir: TempDir,
}

pub(crate) fn principal(user: Uuid, role: Role) -> Principal {
    Principal {
        user,
        role,
        worker: None,
        on_behalf_by: None,
        session: None,
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::standing(NOW);
        let mut defs = shipped();
        defs.push(things());
        let store = Store::open_with(dir.path(), defs, clock.clone()).unwrap();
        let root = principal(Uuid::nil(), Role::Admin);
        let mut users = Vec::new();
        for name in ["admin@x", "ann@x", "bob@x"] {
            users.push(store.ensure_user(&root, name).await.unwrap());
        }
        let claim = WorkerClaim {
            id: Uuid::now_v7(),
            pool: "shared".to_owned(),
            slots: 2,
            labels: String::new(),
        };
        Self {
            admin: principal(users[0], Role::Admin),
            ann: principal(users[1], Role::User),
            bob: principal(users[2], Role::User),
            worker: Principal {
                worker: Some(claim),
                ..principal(users[2], Role::Worker)
            },
            store,
            clock,
            _dir: dir,
        }
    }

    /// Asks as this principal, without a socket.
    pub(crate) fn by(&self, who: &Principal) -> Client {
        Client(in_process(self.store.clone(), who.clone()))
    }

    pub(crate) fn admin(&self) -> Client {
        self.by(&self.admin)
    }
}

#[derive(Clone)]
pub(crate) struct Client(InProcess);

/// Headers of a request.
pub(crate) type Headers<'a> = &'a [(&'a str, &'a str)];

impl Client {
    /// Sends a request to a path after the service root, or to an absolute address.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: Headers<'_>,
        body: impl Into<Bytes>,
    ) -> Reply {
        let method: Method = method.parse().unwrap();
        let uri = match path.starts_with("http://") {
            true => path.to_owned(),
            false => format!("{ROOT}{path}"),
        };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: Headers<'_>) -> Reply {
        self.send("GET", path, headers, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, &[], body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, headers: Headers<'_>, body: Value) -> Reply {
        self.send("PATCH", path, headers, body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], "").await
    }

    /// Creates a row and tells its identity.
    pub(crate) async fn create(&self, set: &str, body: Value) -> Uuid {
        let reply = self.post(set, body).await;
        assert_eq!(reply.status, 204, "{}", reply.text());
        reply.id()
    }

    /// Sends a batch: each part is its text, from the request line on; a part that starts with
    /// `changeset` holds several, separated by lines of dashes.
    pub(crate) async fn batch(&self, headers: Headers<'_>, parts: &[&str]) -> Reply {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "multipart/mixed;boundary=\"batch_x\""));
        self.send("POST", "$batch", &headers, batch_body(parts))
            .await
    }
}

/// A batch's body, in the dialect of `boundary=batch_x`.
pub(crate) fn batch_body(parts: &[&str]) -> String {
    let http = "Content-Type: application/http\nContent-Transfer-Encoding: binary\n";
    let change_set = |writes: &str| {
        let writes: String = writes
            .split("\n----\n")
            .zip(1..)
            .map(|(write, id)| format!("--changeset_y\n{http}Content-ID: {id}\n\n{write}\n"))
            .collect();
        format!("Content-Type: multipart/mixed; boundary=changeset_y\n\n{writes}--changeset_y--\n")
    };
    let parts: String = parts
        .iter()
        .map(|part| match part.strip_prefix("changeset\n") {
            None => format!("--batch_x\n{http}\n{part}\n"),
            Some(writes) => format!("--batch_x\n{}\n", change_set(writes)),
        })
        .collect();
    format!("{parts}--batch_x--\n").replace('\n', "\r\n")
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|wrong| panic!("{wrong}: {} {}", self.status, self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The identity in `OData-EntityId`.
    pub(crate) fn id(&self) -> Uuid {
        let address = self.header("odata-entityid");
        let open = address
            .rfind('(')
            .unwrap_or_else(|| panic!("no OData-EntityId: {self:?}"));
        address[open + 1..address.len() - 1].parse().unwrap()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }

    /// Status and code of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.code())
    }

    /// One column of the rows of a page.
    pub(crate) fn column(&self, name: &str) -> Vec<Value> {
        let page = self.json();
        let rows = page["value"].as_array().unwrap_or_else(|| panic!("{page}"));
        rows.iter().map(|row| row[name].clone()).collect()
    }

    /// Statuses of the parts of a batch answer, in order.
    pub(crate) fn parts(&self) -> Vec<u16> {
        self.text()
            .lines()
            .filter_map(|line| line.strip_prefix("HTTP/1.1 "))
            .map(|line| line[..3].parse().unwrap())
            .collect()
    }
}

fn column(logical: &str, kind: ColumnKind) -> ColumnDef {
    ColumnDef {
        metadata_id: Uuid::now_v7(),
        logical: logical.to_owned(),
        schema: logical.replace("parent", "Parent"),
        display: logical.to_owned(),
        kind,
        required: false,
    }
}

fn columns() -> Vec<ColumnDef> {
    let options = [(1, "New"), (2, "Open"), (3, "Done")].map(|(value, label)| ChoiceOption {
        value,
        label: label.to_owned(),
    });
    let options = options.into();
    let target = "new_thing".to_owned();
    vec![
        column("new_name", ColumnKind::Text { max: 20 }),
        column("new_note", ColumnKind::Memo { max: 1000 }),
        column("new_count", ColumnKind::Integer { min: -5, max: 500 }),
        column("new_big", ColumnKind::BigInt),
        column("new_price", ColumnKind::Decimal { precision: 2 }),
        column("new_ratio", ColumnKind::Double),
        column("new_on", ColumnKind::yes_no()),
        column("new_when", ColumnKind::DateTime),
        column("new_kind", ColumnKind::Choice { options }),
        column("new_ref", ColumnKind::Guid),
        column("new_parent", ColumnKind::Lookup { target }),
        column("new_code", ColumnKind::Text { max: 20 }),
    ]
}

/// People may do with own things what they like, but for `new_big`; workers read all.
fn access(columns: &[ColumnDef]) -> Access {
    let own = || Some("_ownerid_value eq @me".to_owned());
    let writable = |column: &ColumnDef| WritableColumn {
        name: column.logical.clone(),
        values: Vec::new(),
    };
    let rule = WriteRule {
        rows: own(),
        check: own(),
        columns: columns
            .iter()
            .filter(|column| column.logical != "new_big")
            .map(writable)
            .collect(),
    };
    Access {
        user: Grant {
            read: own(),
            create: Some(WriteRule {
                rows: None,
                ..rule.clone()
            }),
            update: Some(rule),
            delete: own(),
        },
        worker: Grant {
            read: Some("new_thingid ne null".to_owned()),
            ..Grant::default()
        },
        bars: None,
    }
}

/// A table with every kind of column.
pub(crate) fn things() -> TableDef {
    let columns = columns();
    TableDef {
        metadata_id: Uuid::now_v7(),
        logical: "new_thing".to_owned(),
        set: "new_things".to_owned(),
        schema: "new_Thing".to_owned(),
        display: "Thing".to_owned(),
        display_collection: "Things".to_owned(),
        primary_id: "new_thingid".to_owned(),
        primary_name: "new_name".to_owned(),
        ownership: Ownership::UserOwned,
        access: access(&columns),
        columns,
        keys: vec![KeyDef {
            metadata_id: Uuid::now_v7(),
            logical: "new_codekey".to_owned(),
            schema: "new_CodeKey".to_owned(),
            display: "Code".to_owned(),
            columns: vec!["new_code".to_owned(), "new_count".to_owned()],
        }],
        indexes: Vec::new(),
        wake: vec!["_ownerid_value".to_owned()],
        change_tracking: true,
    }
}
