//! The commands that a page shows: in the blocks of a shell, after a `$`, and in the running text.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::words;

/// A command of the running text begins with one of these, or with a program of the repository.
const PROGRAMS: [&str; 14] = [
    "aws",
    "cargo",
    "curl",
    "docker",
    "echo",
    "funcify",
    "git",
    "npm",
    "openssl",
    "pip",
    "python3",
    "redis-cli",
    "rustup",
    "sam",
];

/// A command as a page shows it.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) page: String,
    pub(super) line: usize,
    /// Without the comment at its end.
    pub(super) text: String,
    /// Whether it is in a block, and not in the running text.
    pub(super) is_block: bool,
}

/// The commands of one block, or one of the running text. What a command of a block exports, the next ones have.
pub(super) type Session = Vec<Shown>;

pub(super) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every page with its text: all Markdown except the history, and the head of each example.
pub(super) fn pages() -> Vec<(String, String)> {
    let root = repository();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_example = name == "main.rs" && path.iter().any(|part| part == "examples");
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if (name.ends_with(".md") && name != "CHANGELOG.md") || is_example {
                files.push(path);
            }
        }
    }
    files.sort();
    let page = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let text = if name.ends_with(".rs") { head(&text) } else { text };
        (name, text)
    };
    files.into_iter().map(page).collect()
}

/// The documentation at the head of a source, its lines where they are.
fn head(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

pub(super) fn sessions(page: &str, text: &str) -> Vec<Session> {
    let (mut sessions, mut prose, mut fence) = (Vec::new(), String::new(), None::<String>);
    let mut block = Session::new();
    let mut is_open = false;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if let Some(language) = trimmed.strip_prefix("```") {
            match fence.take() {
                None => fence = Some(language.to_owned()),
                Some(_) => sessions.push(std::mem::take(&mut block)),
            }
            is_open = false;
        } else if let Some(language) = &fence {
            let command = match language.as_str() {
                "sh" | "bash" | "shell" | "zsh" if !trimmed.starts_with('#') => Some(trimmed),
                "console" | "text" if is_open => Some(trimmed),
                "console" | "text" => trimmed.strip_prefix("$ "),
                _ => None,
            };
            if let Some(command) = command.map(words::without_comment).filter(|it| !it.is_empty()) {
                match block.last_mut().filter(|_| is_open) {
                    Some(begun) => begun.text = format!("{}\n{command}", begun.text),
                    None => block.push(shown(page, at + 1, command, true)),
                }
                is_open = command.ends_with(['\\', '|']) || command.ends_with("&&");
            }
        } else {
            prose.push_str(line);
        }
        prose.push('\n');
    }
    sessions.retain(|session| !session.is_empty());
    sessions.extend(spans(page, &prose).into_iter().map(|shown| vec![shown]));
    sessions
}

fn shown(page: &str, line: usize, command: &str, is_block: bool) -> Shown {
    Shown { page: page.to_owned(), line, text: command.to_owned(), is_block }
}

/// The commands among the code spans, which may go over the end of a line.
fn spans(page: &str, prose: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = prose[at..].find('`').map(|start| at + start) {
        let ticks: String = prose[start..].chars().take_while(|letter| *letter == '`').collect();
        let inside = start + ticks.len();
        let Some(end) = prose[inside..].find(&ticks).map(|end| inside + end) else { break };
        let span = &prose[inside..end];
        if span.contains("\n\n") {
            at = inside;
            continue;
        }
        let line = prose[..start].matches('\n').count() + 1;
        let text = span.split_whitespace().collect::<Vec<_>>().join(" ");
        if is_command(&text) {
            found.push(shown(page, line, &text, false));
        }
        at = end + ticks.len();
    }
    found
}

fn is_command(text: &str) -> bool {
    let words = words::words(text);
    let (_, words) = words::assignments(&words);
    match words {
        [] => false,
        [program] => is_program_of_ours(program),
        [program, ..] => PROGRAMS.contains(&program.as_str()) || is_program_of_ours(program),
    }
}

/// Such as `tests/run`.
pub(super) fn is_program_of_ours(path: &str) -> bool {
    let is_executable = |path: PathBuf| {
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    path.contains('/') && !path.starts_with('/') && is_executable(repository().join(path))
}

/// The first block of this language in a page that contains `part`.
pub(super) fn block(page: &str, language: &str, part: &str) -> String {
    let text = fs::read_to_string(repository().join(page)).unwrap();
    let fence = format!("```{language}\n");
    let mut blocks = text.split(&fence).skip(1);
    let found = blocks.find_map(|rest| rest.split("```").next().filter(|it| it.contains(part)));
    found.unwrap_or_else(|| panic!("{page} has no block of {language} with {part}")).to_owned()
}
