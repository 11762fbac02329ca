//! Whether an installed version can go on with the agents that this one's supervisors look after.
//!
//! It is asked itself. One that doesn't answer can't: then agents have to end first.

use std::path::Path;
use std::time::Duration;

use shraga_core::update::Release;
use shraga_process::supervise::VERSION;
use shraga_process::{Exit, tool_head};

use crate::Settings;
use crate::layout::Layout;

/// How long it may take to answer: it reads nothing but its arguments.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 4 * 1024;

/// Whether `release`, installed in `root`, can go on with agents whose supervisors are of this program's version.
pub async fn goes_on(settings: &Settings, root: &Path, release: &Release) -> bool {
    let program = Layout::new(root).program(release).display().to_string();
    let argv = [program.as_str(), "supervise", "--speaks"];
    let env = settings.environment.clone();
    let asked = tool_head(&argv, root, env, ANSWER_WITHIN, Vec::new(), ANSWER_BYTES).await;
    let Ok((output, true)) = asked else {
        return false;
    };
    let spoken: Option<Vec<u32>> = serde_json::from_slice(&output.out).ok();
    output.exit == Exit::Code(0) && spoken.is_some_and(|spoken| spoken.contains(&VERSION))
}
