//! Reads the event files before the first event runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use funcify::testing::TestEvent;
use serde_json::Value;

use crate::stand_in::IdentityProvider;

/// One event file.
pub(crate) struct EventFile {
    pub(crate) name: String,
    event: Value,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EventFileError {
    #[error("the event file {} cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    #[error("expected JSON in the event file {}", .0.display())]
    Json(PathBuf, #[source] serde_json::Error),
    #[error("the shipped events in {} cannot be listed", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    #[error("{} contains no event files (*.json)", .0.display())]
    None(PathBuf),
}

/// Reads these files, or the shipped ones if there are none.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<EventFile>, EventFileError> {
    if files.is_empty() {
        let stem =
            |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return shipped()?.iter().map(|path| EventFile::read(path, stem(path))).collect();
    }
    // The paths as they were given, because two folders may contain files with the same name.
    files.iter().map(|path| EventFile::read(path, path.display().to_string())).collect()
}

fn shipped() -> Result<Vec<PathBuf>, EventFileError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/events");
    let entries =
        fs::read_dir(&folder).map_err(|error| EventFileError::Folder(folder.clone(), error))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_event = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let mut files: Vec<_> = paths.filter(is_event).collect();
    files.sort();
    if files.is_empty() { Err(EventFileError::None(folder)) } else { Ok(files) }
}

impl EventFile {
    fn read(path: &Path, name: String) -> Result<Self, EventFileError> {
        let text = fs::read_to_string(path)
            .map_err(|error| EventFileError::Read(path.to_owned(), error))?;
        let event = serde_json::from_str(&text)
            .map_err(|error| EventFileError::Json(path.to_owned(), error))?;
        Ok(Self { name, event })
    }

    /// The event, with tokens in place of the placeholders. A token in a shipped file would have expired long
    /// ago.
    pub(crate) fn event(&self, callers: &IdentityProvider) -> TestEvent {
        let text = self
            .event
            .to_string()
            .replace("{{token}}", &callers.token())
            .replace("{{expired_token}}", &callers.expired_token());
        // The text stays valid JSON, because a token needs no escaping.
        TestEvent::from(serde_json::from_str::<Value>(&text).unwrap_or_else(|_| self.event.clone()))
    }
}
