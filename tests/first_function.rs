//! The first function of the README is the package `examples/shop`, which this repository compiles and tests.

use std::fs;
use std::path::PathBuf;

const README: &str = include_str!("../README.md");

/// The blocks of code of the section, each with its language.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let (_, section) = README.split_once("\n## Your first function\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let fenced = section.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

fn file(name: &str) -> String {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(repository.join("examples/shop").join(name)).unwrap()
}

/// The lines of the dependencies. The README's are those of a folder beside the clone.
fn dependencies(manifest: &str) -> Vec<String> {
    let (_, dependencies) = manifest.split_once("[dependencies]\n").unwrap();
    let code = |line: &str| line.split(" #").next().unwrap_or_default().to_owned();
    dependencies.lines().map(|line| code(line).replace("../funcify", "../..")).collect()
}

#[test]
fn the_first_function_of_the_readme_is_the_one_that_is_compiled() {
    let blocks = blocks();
    let of = |language: &str| -> Vec<String> {
        let code = blocks.iter().filter(|(shown, _)| shown.split(',').next() == Some(language));
        code.map(|(_, code)| format!("{code}\n")).collect()
    };
    let files = ["src/lib.rs", "src/main.rs", "tests/shop.rs"].map(file);
    assert_eq!(of("rust"), files, "README.md and examples/shop differ");
    assert_eq!(of("json"), [file("order.json")], "README.md and examples/shop differ");
    let [manifest] = &of("toml")[..] else { panic!("expected one manifest") };
    assert_eq!(dependencies(manifest), dependencies(&file("Cargo.toml")));
}
