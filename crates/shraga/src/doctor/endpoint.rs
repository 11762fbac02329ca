//! The address that a store left in the data folder: of one that runs, or of one that is gone.

use std::time::Duration;

use tokio::net::TcpStream;
use url::Url;

use super::{Case, Finding};
use crate::endpoint::Endpoint;
use crate::roles::worker::data_folder;

const CHECK: &str = "endpoint";

/// A store on this machine accepts at once, or isn't there.
const WAIT: Duration = Duration::from_secs(3);

pub(super) async fn check(case: &Case<'_>) -> Option<Finding> {
    let folder = data_folder(case.config);
    if !Endpoint::is_published(&folder) {
        return None;
    }
    let told = match Endpoint::read(&folder) {
        Ok(endpoint) => endpoint,
        Err(failure) => {
            let what = format!("{:#}", failure.error);
            let finding = Finding::error(CHECK, what, failure.hint.unwrap_or_default());
            return Some(remove(case, &folder, finding));
        }
    };
    if accepts(&told.url).await {
        return Some(Finding::ok(
            CHECK,
            format!("a store listens at {}", told.url),
        ));
    }
    let what = format!(
        "{} names {}, where no store listens: it was killed",
        folder.display(),
        told.url
    );
    let fix = "start `shraga up` or `shraga serve` there, or let --fix remove it";
    Some(remove(case, &folder, Finding::warning(CHECK, what, fix)))
}

fn remove(case: &Case<'_>, folder: &std::path::Path, finding: Finding) -> Finding {
    if !case.fix {
        return finding;
    }
    finding.after("endpoint.json was removed", Endpoint::remove(folder))
}

async fn accepts(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return false;
    };
    let address = format!("{host}:{port}");
    let connected = tokio::time::timeout(WAIT, TcpStream::connect(address)).await;
    matches!(connected, Ok(Ok(_)))
}
