use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::value::RawValue;

/// Why an event file cannot be used.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("the event file {} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("expected JSON in the event file {}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
}

/// Reads an event from a file of JSON.
pub(super) fn read(path: &Path) -> io::Result<Box<RawValue>> {
    let text = fs::read_to_string(path).map_err(|source| {
        io::Error::new(source.kind(), FileError::Read { path: path.to_owned(), source })
    })?;
    serde_json::from_str(&text).map_err(|source| {
        let error = FileError::Json { path: path.to_owned(), source };
        io::Error::new(io::ErrorKind::InvalidData, error)
    })
}
