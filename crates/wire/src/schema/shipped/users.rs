//! People: Shraga's own table of them, and `systemuser`, whose rows are who can own anything.

use super::super::{Access, Grant, Ownership, TableDef};
use super::{ColumnKind, MEMO_MAX, column, memo, metadata_id, owned, text, text_of};

pub(super) fn table() -> TableDef {
    let columns = vec![
        text("cr_name", "Name"),
        text_of("crb3b_useremail", "User Email", 200),
        text("cr_role", "Role"),
        text("cr_status", "Status"),
        memo("cr_usage", "Usage", MEMO_MAX),
    ];
    TableDef {
        wake: owned(&["cr_shraga_userid"]),
        access: Access {
            user: read_only("cr_shraga_userid eq @me"),
            worker: Grant::default(),
            bars: Some("cr_status eq 'disabled'".to_owned()),
        },
        ..super::table("user", "Shraga User", columns)
    }
}

/// The built-in table of people and applications. Rows are made with their first token.
#[must_use]
pub fn system_user() -> TableDef {
    let logical = "systemuser";
    let columns = vec![
        text_of("fullname", "Full Name", 200),
        text_of("internalemailaddress", "Primary Email", 100),
        text_of("domainname", "User Name", 1024),
        column(
            "azureactivedirectoryobjectid",
            "Azure AD Object ID",
            ColumnKind::Guid,
        ),
        column("isdisabled", "Status", ColumnKind::yes_no()),
    ];
    TableDef {
        metadata_id: metadata_id(logical),
        logical: logical.to_owned(),
        set: "systemusers".to_owned(),
        schema: "SystemUser".to_owned(),
        display: "User".to_owned(),
        display_collection: "Users".to_owned(),
        primary_id: "systemuserid".to_owned(),
        primary_name: "fullname".to_owned(),
        ownership: Ownership::OrganizationOwned,
        columns: columns.into_iter().map(|c| c.of(logical)).collect(),
        keys: Vec::new(),
        indexes: Vec::new(),
        wake: Vec::new(),
        change_tracking: false,
        access: Access {
            user: read_only("systemuserid eq @me"),
            worker: read_only("systemuserid eq @me"),
            bars: Some("isdisabled eq true".to_owned()),
        },
    }
}

fn read_only(rows: &str) -> Grant {
    Grant {
        read: Some(rows.to_owned()),
        ..Grant::default()
    }
}
