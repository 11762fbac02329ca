//! The folders that are written: there, private, writable, with room.

use std::path::Path;

use super::{Case, Finding};
use crate::endpoint::create_folder;
use crate::roles::worker::{data_folder, work_folder};

const CHECK: &str = "disk";

/// Room below which nothing may be possible soon: a checkout and its build.
const LITTLE_MIB: u64 = 1024;

/// Room below which reports and the database can't be written.
const NONE_MIB: u64 = 64;

/// Files that can still be made, below which an attempt may fail.
const FEW_FILES: u64 = 10_000;

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let data = data_folder(case.config);
    let work = work_folder(case.config, &data);
    let mut found = of(case, "data folder", &data);
    if found
        .iter()
        .all(|finding| finding.severity != super::Severity::Error)
    {
        found.extend(is_private(case, &data));
    }
    if !work.starts_with(&data) {
        found.extend(of(case, "work folder", &work));
    }
    found
}

/// Of one folder.
fn of(case: &Case<'_>, what: &str, folder: &Path) -> Vec<Finding> {
    let place = folder.display();
    if !folder.exists() {
        let missing = Finding::warning(
            CHECK,
            format!("the {what} {place} does not exist yet"),
            "it is made when it is needed, or by --fix",
        );
        return vec![match case.fix {
            true => missing.after(&format!("{place} was made"), create_folder(folder)),
            false => missing,
        }];
    }
    if let Err(error) = tempfile::tempfile_in(folder) {
        let why = format!("the {what} {place} can't be written: {error}");
        return vec![Finding::error(
            CHECK,
            why,
            format!("let this user write {place}"),
        )];
    }
    vec![room(what, folder)]
}

#[cfg(unix)]
fn room(what: &str, folder: &Path) -> Finding {
    match rustix::fs::statvfs(folder) {
        Ok(told) => {
            let mib = told.f_bavail.saturating_mul(told.f_frsize) >> 20;
            // Some file systems don't count files, and say that there are none.
            let files = (told.f_files > 0).then_some(told.f_favail);
            judge(what, folder, mib, files)
        }
        Err(error) => {
            let why = format!("how much room the {what} has is not known: {error}");
            Finding::warning(CHECK, why, "look at the disk")
        }
    }
}

#[cfg(not(unix))]
fn room(what: &str, folder: &Path) -> Finding {
    Finding::ok(
        CHECK,
        format!("the {what} {} can be written", folder.display()),
    )
}

#[cfg(unix)]
fn judge(what: &str, folder: &Path, mib: u64, files: Option<u64>) -> Finding {
    let place = folder.display();
    let fix = format!("free some space on the disk of {place}");
    if mib < NONE_MIB {
        return Finding::error(CHECK, format!("the {what} {place} has {mib} MiB left"), fix);
    }
    if mib < LITTLE_MIB {
        return Finding::warning(
            CHECK,
            format!("the {what} {place} has only {mib} MiB left"),
            fix,
        );
    }
    if let Some(files) = files.filter(|files| *files < FEW_FILES) {
        let why = format!("the disk of {place} takes only {files} more files");
        return Finding::warning(CHECK, why, "remove small files there");
    }
    Finding::ok(
        CHECK,
        format!("the {what} {place} can be written, {} GiB left", mib >> 10),
    )
}

#[cfg(unix)]
fn is_private(case: &Case<'_>, folder: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let mode = folder.metadata().ok()?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return None;
    }
    let place = folder.display();
    let what = format!("others can look into the data folder {place} (mode {mode:o})");
    let finding = Finding::error(CHECK, what, format!("chmod 700 {place}"));
    let private = || std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    // Through a link it would be the mode of something else that changes.
    let linked = folder.symlink_metadata().is_ok_and(|it| it.is_symlink());
    Some(match case.fix && !linked {
        true => finding.after("its mode is 700 now", private()),
        false => finding,
    })
}

#[cfg(not(unix))]
fn is_private(_case: &Case<'_>, _folder: &Path) -> Option<Finding> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn a_disk_that_fills_up_is_a_warning_and_a_full_one_an_error() {
        let of = |mib, files| judge("data folder", Path::new("/data"), mib, files).severity;
        assert_eq!(of(50_000, None), Severity::Ok);
        assert_eq!(of(50_000, Some(1_000_000)), Severity::Ok);
        assert_eq!(of(500, Some(1_000_000)), Severity::Warning);
        assert_eq!(of(50_000, Some(12)), Severity::Warning);
        assert_eq!(of(3, None), Severity::Error);
    }
}
