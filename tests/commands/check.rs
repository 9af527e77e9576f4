//! What each kind of row asks of a command. An error says what is wrong with it.

use std::{env, fs, process::Command};

use super::{
    page::{self, Shown},
    rows::{How, RunBy},
    words,
    world::{World, example},
};

/// What a block has exported so far, as a script.
pub(super) fn check(
    how: How,
    shown: &Shown,
    exported: &mut String,
    world: &World,
) -> Result<(), String> {
    let all = words::words(&shown.text);
    let (assigned, words) = words::assignments(&all);
    let located = world.located(&shown.text);
    let script = format!("{exported}{located}");
    let backend = [("FUNCIFY_BACKEND", world.url.as_str())];
    match how {
        How::Export => {
            exported.push_str(&format!("{located}\n"));
            Ok(())
        }
        How::Funcify | How::Terminal(_) if !shown.is_block => {
            world.bash(&format!("{located} --help"), &[]).well().map(drop)
        }
        How::Funcify => world.bash(&script, &backend).well().map(drop),
        How::Terminal(keys) => world.terminal(&script, keys, &backend).well().map(drop),
        How::Example => run_example(&script, words, world),
        How::Server => {
            of_example(words)?;
            let usage =
                world.bash(&format!("{} --help", example("orders").display()), &[]).well()?;
            let is_said = usage.contains("127.0.0.1:3000 by default");
            world.served();
            if is_said { Ok(()) } else { Err("the pages say localhost:3000".to_owned()) }
        }
        How::Curl => {
            let (address, token) = world.served();
            let script = script.replace("localhost:3000", &address);
            world
                .bash(&format!("{script} --fail --silent --show-error"), &[("TOKEN", &token)])
                .well()
                .map(drop)
        }
        // Those that run on a server of their own, in a test of their own.
        How::Aws => Ok(()),
        How::Shell => world.bash(&script, &[]).well().map(drop),
        How::Script(by) => {
            if let RunBy::Step(step) = by {
                is_step(step)?;
            }
            is_accepted_by_script(assigned, words, world)
        }
        How::Cargo(step) if words.len() == 2 => is_step(step),
        How::Cargo(_) => {
            let runs = |script| read(script).contains(&words.join(" "));
            match ["tests/run", ".ci/run"].into_iter().any(runs) {
                true => Ok(()),
                false => Err("nothing checks what follows".to_owned()),
            }
        }
        How::Bench(step) => is_step(step).and_then(|()| is_bench(words)),
        How::Install(step) => is_step(step).and_then(|()| is_program(words)),
        How::CargoLambda => is_of_cargo_lambda(words, world),
        How::Impossible(_, needed) => match page::repository().join(needed).exists() {
            true => Ok(()),
            false => Err(format!("there is no {needed}")),
        },
    }
}

/// Whether `.ci/run` has a line that begins so.
fn is_step(step: &str) -> Result<(), String> {
    let run = read(".ci/run");
    match run.lines().any(|line| line.trim_start().starts_with(step)) {
        true => Ok(()),
        false => Err(format!(".ci/run has no step `{step}`")),
    }
}

fn read(file: &str) -> String {
    fs::read_to_string(page::repository().join(file)).unwrap_or_default()
}

/// `cargo run …`: the example, if cargo would find it. All scenarios of a fleet take minutes: `simulator/tests` runs them.
fn run_example(script: &str, words: &[String], world: &World) -> Result<(), String> {
    let name = of_example(words)?;
    let (cargo, arguments) = words::split(words);
    let short = match name.as_str() {
        "fleet" if !arguments.iter().any(|word| word == "--scenario") => " --help",
        "fleet" => " --instances 20",
        _ => "",
    };
    let start = script.find("cargo run").ok_or("no cargo run")?;
    let end = match script[start..].find(" -- ") {
        Some(behind) => start + behind + " --".len(),
        None => start + cargo.iter().map(|word| word.len() + 1).sum::<usize>() - 1,
    };
    let program = example(&name);
    let (before, after) = (&script[..start], &script[end..]);
    let after = match after.strip_suffix('&') {
        Some(after) => format!("{after}{short} &"),
        None => format!("{after}{short}"),
    };
    let secret = crate::support::env::idp_secret();
    let client =
        [("FUNCIFY_CLIENT_ID", "basic-commands"), ("FUNCIFY_CLIENT_SECRET", secret.as_str())];
    let variables = if script.contains("--idp") { &client[..] } else { &[] };
    let said = world.bash(&format!("{before}'{}'{after}", program.display()), variables).well()?;
    match arguments.iter().position(|word| word == "--svg") {
        Some(at) if !world.file(&arguments[at + 1]).exists() => Err(format!("no picture: {said}")),
        _ => Ok(()),
    }
}

/// The example that `cargo run …` runs, without being told where.
fn of_example(words: &[String]) -> Result<String, String> {
    let (cargo, _) = words::split(words);
    let (mut name, mut package, mut features) = (None, None, None);
    let mut rest = cargo.iter().skip(2).take_while(|word| *word != "&").map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "--release" | "--quiet" => {}
            "--example" => name = rest.next(),
            "-p" => package = rest.next(),
            "--features" => features = rest.next(),
            other => return Err(format!("cargo run does not take {other} here")),
        }
    }
    let name = name.ok_or("no example is named")?;
    let folder = ["", "simulator"].into_iter().find(|folder| {
        let path = page::repository().join(folder).join("examples").join(name);
        path.join("main.rs").exists()
    });
    let folder = folder.ok_or_else(|| format!("there is no example {name}"))?;
    let manifest = if folder.is_empty() { "Cargo.toml" } else { "simulator/Cargo.toml" };
    let manifest = read(manifest);
    let members = read("Cargo.toml");
    let is_default = members.lines().any(|line| {
        let member = if folder.is_empty() { "." } else { folder };
        line.starts_with("default-members") && line.contains(&format!("\"{member}\""))
    });
    let is_found = match package {
        Some(package) => manifest.contains(&format!("\nname = \"{package}\"")),
        None => is_default,
    };
    if !is_found {
        return Err(format!("cargo does not find the example {name}"));
    }
    for feature in features.iter().flat_map(|features| features.split(',')) {
        if !manifest.contains(&format!("\n{feature} = [")) {
            return Err(format!("there is no feature {feature}"));
        }
    }
    Ok(name.to_owned())
}

/// What is before `--` is known to the usage, what is behind it are parts of names of tests.
fn is_accepted_by_script(
    assigned: &[String],
    words: &[String],
    world: &World,
) -> Result<(), String> {
    let (file, arguments) = match words {
        [python, file, arguments @ ..] if python == "python3" => {
            (format!("{file}/__main__.py"), arguments)
        }
        [file, arguments @ ..] => (file.clone(), arguments),
        [] => return Err("no program".to_owned()),
    };
    let path = page::repository().join(&file);
    let text = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
    let checked = if text.starts_with("#!/usr/bin/env bash") {
        world.bash(&format!("bash -n '{}'", path.display()), &[])
    } else {
        let parsed = "import ast, sys; ast.parse(open(sys.argv[1]).read())";
        world.bash(&format!("python3 -c '{parsed}' '{}'", path.display()), &[])
    };
    checked.well()?;
    if words.first().is_some_and(|word| word != "python3") && !page::is_program_of_ours(&file) {
        return Err(format!("{file} is not executable"));
    }
    let usage = if file == "tests/run" {
        format!("--help {}", world.bash(&format!("'{}' --help", path.display()), &[]).well()?)
    } else {
        let head = text.lines().take(20).filter(|line| line.starts_with(['#', ' ', '"']));
        head.collect::<Vec<_>>().join("\n")
    };
    for name in assigned.iter().filter_map(|word| word.split_once('=')).map(|(name, _)| name) {
        if !read("tests/support/env.rs").contains(&format!("\"{name}\"")) {
            return Err(format!("the tests do not read {name}"));
        }
    }
    let (options, filters) = words::split(arguments);
    let mut takes_value = false;
    for option in options {
        let is_known = usage
            .split(|letter: char| letter != '-' && !letter.is_alphanumeric())
            .any(|word| word == option);
        let is_value = std::mem::take(&mut takes_value);
        let is_word = usage.contains(&format!("[{option}]"));
        if !is_value && !is_word && (!option.starts_with('-') || !is_known) {
            return Err(format!("{file} does not take {option}"));
        }
        takes_value = usage.contains(&format!("{option} N"));
    }
    are_parts_of_names(filters)
}

fn are_parts_of_names(filters: &[String]) -> Result<(), String> {
    if filters.is_empty() {
        return Ok(());
    }
    let listed =
        Command::new(env::current_exe().unwrap()).args(["--list", "--format", "terse"]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    match filters.iter().find(|filter| !listed.contains(filter.as_str())) {
        Some(filter) => Err(format!("no test has {filter} in its name")),
        None => Ok(()),
    }
}

/// `cargo bench --bench NAME -- …`, with the options and the parts of names that its sources have.
fn is_bench(words: &[String]) -> Result<(), String> {
    let (cargo, arguments) = words::split(words);
    let [_, _, bench, name] = cargo else {
        return Err("expected cargo bench --bench NAME".to_owned());
    };
    let manifest = read("benches/Cargo.toml");
    if bench != "--bench" || !manifest.contains(&format!("[[bench]]\nname = \"{name}\"")) {
        return Err(format!("there is no benchmark {name}"));
    }
    let folder = page::repository().join("benches").join(name);
    let sources = fs::read_dir(folder).map_err(|error| format!("benches/{name}: {error}"))?;
    let sources: String =
        sources.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let sources = sources + &read("benches/arguments.rs");
    let is_known = |word: &String| match word.starts_with('-') {
        true => sources.contains(&format!("\"{word}\" =>")),
        false => sources.contains(word.as_str()),
    };
    match arguments.iter().find(|word| !is_known(word)) {
        Some(word) => Err(format!("the benchmark {name} does not know {word}")),
        None => Ok(()),
    }
}

fn is_program(words: &[String]) -> Result<(), String> {
    let folder = words.last().map_or("", String::as_str);
    let manifest = read(&format!("{folder}/Cargo.toml"));
    match manifest.contains("[[bin]]\nname = \"funcify\"")
        && read(".ci/run").contains(&format!(" {folder})"))
    {
        true => Ok(()),
        false => Err(format!("{folder} has no program, or no step compiles it")),
    }
}

/// It needs the linker of another system, or does not end: its help must do.
fn is_of_cargo_lambda(words: &[String], world: &World) -> Result<(), String> {
    let (program, _) = crate::support::env::cargo_lambda();
    let command = words.get(2).map_or("", String::as_str);
    let help = world.bash(&format!("'{program}' lambda {command} --help"), &[]).well()?;
    let mut options = words[2..].iter().skip(1).filter(|word| word.starts_with('-'));
    match options.find(|option| !help.contains(option.as_str())) {
        Some(option) => Err(format!("cargo lambda {command} does not take {option}")),
        None => Ok(()),
    }
}
