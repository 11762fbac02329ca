//! The arrows and the absences, as data. ARCHITECTURE.md says why; this list is what holds.

/// One crate's place.
pub(super) struct Rule {
    pub(super) name: &'static str,
    /// Our crates it may depend on.
    pub(super) may: &'static [&'static str],
    /// Our crates its tests may depend on beside those.
    pub(super) tests_may: &'static [&'static str],
    /// Libraries it must not reach.
    pub(super) absent: &'static [&'static [&'static str]],
}

/// What waits or runs concurrently.
const ASYNC: &[&str] = &["tokio", "tokio-util", "futures-util", "async-trait"];
/// What turns values into documents.
const FORMATS: &[&str] = &["serde", "serde_json", "toml", "quick-xml"];
/// What speaks HTTP as a client.
const HTTP_CLIENT: &[&str] = &["reqwest"];
/// What serves HTTP.
const HTTP_SERVER: &[&str] = &["axum", "axum-server"];
/// The wire's own vocabulary and below.
const NETWORK: &[&str] = &["hyper", "hyper-util", "rustls", "tower"];
/// What speaks SQL.
const SQL: &[&str] = &["rusqlite", "libsqlite3-sys"];
/// What reads clocks and time zones.
const CLOCKS: &[&str] = &["jiff", "chrono", "time"];
/// What talks to a person at a terminal.
const TERMINAL: &[&str] = &["clap", "anstream", "indicatif", "comfy-table"];
/// What starts programs.
const PROCESSES: &[&str] = &["process-wrap"];

/// Every crate of the workspace.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "shraga-core",
        may: &[],
        tests_may: &[],
        absent: &[
            ASYNC,
            FORMATS,
            HTTP_CLIENT,
            HTTP_SERVER,
            NETWORK,
            SQL,
            CLOCKS,
            TERMINAL,
            PROCESSES,
            &["http", "tracing", "url"],
        ],
    },
    Rule {
        name: "shraga-wire",
        may: &[],
        tests_may: &[],
        absent: &[
            ASYNC,
            HTTP_CLIENT,
            HTTP_SERVER,
            NETWORK,
            SQL,
            TERMINAL,
            PROCESSES,
        ],
    },
    Rule {
        name: "shraga-process",
        may: &[],
        tests_may: &[],
        absent: &[HTTP_CLIENT, HTTP_SERVER, NETWORK, SQL, CLOCKS, TERMINAL],
    },
    Rule {
        name: "shraga-dataverse",
        may: &["shraga-core", "shraga-process", "shraga-wire"],
        tests_may: &["shraga-testkit", "shraga-local"],
        absent: &[HTTP_SERVER, SQL, TERMINAL],
    },
    Rule {
        name: "shraga-devcenter",
        may: &["shraga-core"],
        tests_may: &["shraga-testkit", "shraga-dataverse"],
        absent: &[HTTP_CLIENT, HTTP_SERVER, SQL, TERMINAL, PROCESSES],
    },
    Rule {
        name: "shraga-local",
        may: &["shraga-wire"],
        tests_may: &["shraga-testkit"],
        absent: &[HTTP_CLIENT, TERMINAL, PROCESSES],
    },
    Rule {
        name: "shraga-sim",
        may: &["shraga-core"],
        tests_may: &[],
        absent: &[
            ASYNC,
            HTTP_CLIENT,
            HTTP_SERVER,
            NETWORK,
            SQL,
            TERMINAL,
            PROCESSES,
        ],
    },
    Rule {
        name: "shraga-update",
        may: &["shraga-core", "shraga-process"],
        tests_may: &[],
        absent: &[HTTP_CLIENT, HTTP_SERVER, NETWORK, SQL, CLOCKS, TERMINAL],
    },
    Rule {
        name: "shraga-orchestrator",
        may: &[
            "shraga-core",
            "shraga-dataverse",
            "shraga-devcenter",
            "shraga-process",
            "shraga-update",
            "shraga-wire",
        ],
        tests_may: &["shraga-testkit", "shraga-local"],
        absent: &[HTTP_SERVER, SQL, TERMINAL],
    },
    Rule {
        name: "shraga-worker",
        may: &[
            "shraga-core",
            "shraga-dataverse",
            "shraga-process",
            "shraga-wire",
        ],
        tests_may: &["shraga-testkit", "shraga-local"],
        absent: &[HTTP_SERVER, SQL, TERMINAL],
    },
    Rule {
        name: "shraga-web",
        may: &[],
        tests_may: &[],
        absent: &[HTTP_CLIENT, SQL, TERMINAL, PROCESSES],
    },
    Rule {
        name: "shraga",
        may: &[
            "shraga-core",
            "shraga-wire",
            "shraga-dataverse",
            "shraga-devcenter",
            "shraga-local",
            "shraga-orchestrator",
            "shraga-sim",
            "shraga-process",
            "shraga-update",
            "shraga-web",
            "shraga-worker",
        ],
        tests_may: &["shraga-testkit"],
        absent: &[],
    },
    Rule {
        name: "shraga-testkit",
        may: &[
            "shraga-core",
            "shraga-wire",
            "shraga-dataverse",
            "shraga-local",
        ],
        tests_may: &[],
        absent: &[TERMINAL],
    },
    Rule {
        name: "xtask",
        may: &[],
        tests_may: &[],
        absent: &[HTTP_CLIENT, HTTP_SERVER, SQL],
    },
];

/// Refused in `Cargo.lock` altogether: a second TLS provider makes the TLS listener panic at
/// start, a second SQLite does not link.
pub(super) const EVERYWHERE_ABSENT: &[&str] = &[
    "aws-lc-rs",
    "aws-lc-sys",
    "openssl-sys",
    "native-tls",
    "sqlx",
];
