//! The shipped tables are well-formed and mean what their texts say.

use std::collections::HashSet;

use super::*;

#[test]
fn identities_of_definitions_are_unique_and_stable() {
    let mut seen = HashSet::new();
    for table in shipped().into_iter().chain([system_user()]) {
        assert!(seen.insert(table.metadata_id), "{}", table.logical);
        for column in &table.columns {
            assert!(
                seen.insert(column.metadata_id),
                "{}.{}",
                table.logical,
                column.logical
            );
        }
    }
    assert_eq!(shipped(), shipped());
}

#[test]
fn names_follow_dataverse() {
    let tables = shipped();
    assert_eq!(tables[0].set, "cr_shraga_tasks");
    assert_eq!(tables[0].primary_id, "cr_shraga_taskid");
    assert_eq!(tables[0].schema, "cr_shraga_Task");
    let status = &tables[0].columns.iter().find(|c| c.logical == "cr_status");
    assert_eq!(status.map(|c| c.schema.as_str()), Some("cr_Status"));
}
