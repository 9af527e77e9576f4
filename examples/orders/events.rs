//! Event files, read and checked before the first of them runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::value::RawValue;

use crate::stand_in::IdentityProvider;

/// One event file.
pub struct EventFile {
    pub name: String,
    text: String,
}

#[derive(Debug, thiserror::Error)]
pub enum EventFileError {
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{} is no JSON", .0.display())]
    NotJson(PathBuf, #[source] serde_json::Error),
    #[error("{} holds no event files (*.json)", .0.display())]
    None(PathBuf),
}

/// Reads these files, or the shipped ones.
pub fn read(files: &[PathBuf]) -> Result<Vec<EventFile>, EventFileError> {
    let shipped = if files.is_empty() { shipped()? } else { Vec::new() };
    files.iter().chain(&shipped).map(|path| EventFile::read(path)).collect()
}

fn shipped() -> Result<Vec<PathBuf>, EventFileError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/events");
    let unreadable = |error| EventFileError::Unreadable(folder.clone(), error);
    let entries = fs::read_dir(&folder).map_err(unreadable)?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    if files.is_empty() { Err(EventFileError::None(folder)) } else { Ok(files) }
}

impl EventFile {
    fn read(path: &Path) -> Result<Self, EventFileError> {
        let text = fs::read_to_string(path)
            .map_err(|error| EventFileError::Unreadable(path.to_owned(), error))?;
        let checked: Result<&RawValue, _> = serde_json::from_str(&text);
        checked.map_err(|error| EventFileError::NotJson(path.to_owned(), error))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { name, text })
    }

    /// The event, with tokens in the places that are marked for them: a token that is shipped in a
    /// file would have expired long ago.
    pub fn event(&self, callers: &IdentityProvider) -> Box<RawValue> {
        let text = self
            .text
            .replace("{{token}}", &callers.token())
            .replace("{{expired_token}}", &callers.expired_token());
        // It was JSON before, and a token needs no escaping.
        RawValue::from_string(text).unwrap_or_default()
    }
}
