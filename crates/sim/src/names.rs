//! Short names for identities, so that a trace can be read.

use shraga_core::ids::{MirrorId, TaskId};
use uuid::Uuid;

/// Names, by identity. Longer texts first, since a short form is the beginning of the whole.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<(String, String)>);

impl Names {
    pub(crate) fn give(&mut self, id: Uuid, name: String) {
        if name.starts_with('T') {
            let mirror = MirrorId::of(TaskId::new(id), 0);
            self.know(mirror.get(), name.replace('T', "M"));
        }
        self.know(id, name);
    }

    fn know(&mut self, id: Uuid, name: String) {
        self.0.push((id.to_string(), name.clone()));
        self.0.push((TaskId::new(id).short(), name));
    }

    /// `text` with every identity that has a name replaced by it.
    pub(crate) fn told(&self, text: &str) -> String {
        let mut told = text.to_owned();
        for (id, name) in &self.0 {
            if told.contains(id.as_str()) {
                told = told.replace(id.as_str(), name);
            }
        }
        told
    }
}
