"""Each check, on two small crates."""

import json
import pathlib
import subprocess
import tempfile

import check
import surface

INNER = """
#![allow(dead_code)]
//! The inner crate.
mod private {
    /// Reached by a re-export.
    #[derive(Clone)]
    pub struct Moved<T>(pub T, u8);
    impl<T: Into<String>> Moved<T> {
        /// A method.
        pub fn method(&mut self, by: &str) -> Option<impl Iterator<Item = u8> + use<T>> { let _ = by; None::<std::iter::Empty<u8>> }
        fn private(&self) {}
        #[doc(hidden)]
        pub fn hidden(&self) {}
    }
    /// Reached through the outer crate alone.
    pub struct Engine;
    /// Reached by nothing.
    pub struct Unreached;
}
pub use private::Moved;
#[doc(hidden)]
pub mod engine { pub use crate::private::Engine; }
/// A module.
pub mod module {
    pub use crate::Moved as Renamed;
    /// Text.
    #[non_exhaustive]
    pub enum Choice { /// One.
        One, /// Two.
        Two { /// A field.
            field: [u8; 2] } }
    /// A trait.
    pub trait Able: Send { /// It can.
        fn able(&self); }
}
"""
OUTER = """
#![allow(dead_code)]
//! The outer crate.
pub use funcify_core::{Moved, engine::Engine, module};
pub fn undocumented<F>(_: F) where F: Fn(&str) -> u8 {}
"""
EXPECTED = {
    "funcify-core": """\
mod funcify_core
struct funcify_core::Moved<T>
impl Clone for funcify_core::Moved
field funcify_core::Moved::0: T
fn funcify_core::Moved::method(&mut self, by: &str) -> Option<impl Iterator<Item = u8> + use<T>>
mod funcify_core::module
trait funcify_core::module::Able: Send
fn funcify_core::module::Able::able(&self)
#[non_exhaustive] enum funcify_core::module::Choice
variant funcify_core::module::Choice::One
variant funcify_core::module::Choice::Two { .. }
field funcify_core::module::Choice::Two::field: [u8; 2]
use funcify_core::module::Renamed = funcify_core::Moved
""",
    "funcify": """\
mod funcify
struct funcify::Engine
use funcify::Moved = funcify_core::Moved
use funcify::module = funcify_core::module
fn funcify::undocumented<F>(_: F) where F: Fn(&str) -> u8
""",
}


def run(rustdoc):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        documents = {}
        for name, source in ("funcify_core", INNER), ("funcify", OUTER):
            file = folder / f"{name}.rs"
            file.write_text(source)
            crate = ["--edition", "2024", "--crate-type", "lib", "--crate-name", name, "-L", str(folder), str(file)]
            if name == "funcify":
                crate += ["--extern", "funcify_core"]
            subprocess.run(["rustc", "--emit", "metadata,link", "--out-dir", str(folder), *crate], check=True)
            subprocess.run([*rustdoc, "--out-dir", str(folder), *crate], check=True)
            documents[name] = json.loads((folder / f"{name}.json").read_text())
        surfaces = surface.list_all(documents)
        listed = {package: check.text_of(entries) for package, entries in surfaces.items()}
        written = folder / "docs" / "public-api" / "funcify.txt"
        written.parent.mkdir(parents=True)
        written.write_text(EXPECTED["funcify"])
        up_to_date = list(check.compare(written, surfaces["funcify"]))
        written.write_text(EXPECTED["funcify"].replace("Fn(&str) -> u8", "Fn(&str) -> u16"))
        out_of_date = list(check.compare(written, surfaces["funcify"]))
    undocumented = "funcify: no docs on fn funcify::undocumented<F>(_: F) where F: Fn(&str) -> u8"
    results = {
        "the lists": listed == EXPECTED,
        "the count": check.total(surfaces) == 7,
        "a list that is up to date passes": not up_to_date,
        "a changed signature fails": len(out_of_date) == 2 and "-> u16" in out_of_date[0],
        "an item without docs fails": list(check.faults(surfaces, 7)) == [undocumented],
        "one item above the limit fails": len(list(check.faults(surfaces, 6))) == 2,
    }
    for name, held in results.items():
        print(f"{'ok' if held else 'FAILED'}: {name}")
    if not results["the lists"]:
        print("\n".join(listed.values()))
    return 0 if all(results.values()) else 1
