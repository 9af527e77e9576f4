"""Each rule, on small trees: one that breaks none, and what must be found when a few files of it are changed."""

import pathlib
import tempfile

import crates
import rules

CLEAN = {
    "Cargo.toml": '[package]\nname = "funcify"',
    "src/lib.rs": """
        #[cfg(feature = "ssm")] pub mod pipeline;
        pub mod stores;
        pub mod token;
        pub use token::Getter;
    """,
    "src/stores/mod.rs": """
        mod error;
        pub use error::StoresError;
        pub struct Stores;
        impl Stores {
            #[cfg(feature = "ssm")] fn open() -> funcify_backend_ssm::Backend { funcify_backend_ssm::Backend::new() }
        }
    """,
    "src/stores/error.rs": "pub struct StoresError;",
    "src/token/mod.rs": """
        mod parts;
        pub use parts::{Part, Refresh};
        use funcify_core::circuit::Breaker;
        pub struct Getter { breaker: Breaker, stores: crate::stores::Stores }
        impl Getter { fn get(&self) { self.refresh(); } }
        #[cfg(test)] mod tests { use crate::pipeline::Pipeline; use super::parts::Part; }
        #[cfg(test)] use self::parts::Part;
        #[cfg(test)] const HIDDEN: Part = { Part };
    """,
    # An `impl` block of the parent's type, in a child of which the parent names no item.
    "src/token/parts.rs": """
        use super::Getter;
        pub struct Part;
        pub struct Refresh<'a>(&'a Getter);
        impl Getter { pub(super) fn refresh(&self) {} }
    """,
    "src/pipeline/mod.rs": """
        //! Links to [`crate::token::Getter`], and `#[cfg(feature = "ssm")]`.
        use std::fmt;
        /* use crate::token::Getter; /* nested */ use crate::token::Getter; */
        pub struct Pipeline { name: &'static str }
        const TEXT: &str = r#"use crate::token::Getter; "quoted" cfg(feature = "ssm")"#;
        fn quote() -> [char; 2] { ['"', '\\''] }
    """,
    "core/Cargo.toml": '[package]\nname = "funcify-core"',
    "core/src/lib.rs": "pub mod circuit; mod clock; pub mod idempotency; pub mod register; pub mod token;",
    "core/src/clock.rs": "pub trait Clock {} pub struct Timestamp;",
    "core/src/circuit/mod.rs": "mod breaker; pub(crate) mod rules; pub use breaker::Breaker; pub use rules::Report;",
    "core/src/circuit/breaker.rs": "use super::rules; pub struct Breaker; async fn call() { rules::apply(); }",
    "core/src/circuit/rules/mod.rs": "mod count; use crate::clock::Timestamp; pub struct Report; pub fn apply() {}",
    "core/src/circuit/rules/count.rs": "fn count(now: crate::clock::Timestamp) {}",
    "core/src/register/mod.rs": "#[derive(Debug)] pub struct Version;",
    "core/src/token/mod.rs": "mod decide; use crate::register::Version;",
    "core/src/token/decide.rs": "fn decide(version: Option<crate::register::Version>) {}",
    "core/src/idempotency/mod.rs": "mod decide; use crate::register::Version;",
    "core/src/idempotency/decide.rs": "fn decide(version: Option<crate::register::Version>) {}",
    "backend-aws/Cargo.toml": '[package]\nname = "funcify-backend-aws"',
    "backend-aws/src/lib.rs": "use funcify_core::register::Version;",
    "backend-ssm/Cargo.toml": '[package]\nname = "funcify-backend-ssm"',
    "backend-ssm/src/lib.rs": "use funcify_backend_aws::client; use funcify_core::register;",
    "backend-redis/Cargo.toml": '[package]\nname = "funcify-backend-redis"',
    "backend-redis/src/lib.rs": "use funcify_core::register;",
    "test-support/Cargo.toml": '[package]\nname = "funcify-test-support"',
    "test-support/src/lib.rs": "use funcify::Getter;",
    "benches/Cargo.toml": '[package]\nname = "funcify-benches"',
    "benches/peers/main.rs": "use funcify_test_support::grant; use funcify_backend_redis::Backend;",
    "simulator/Cargo.toml": '[package]\nname = "funcify-simulator"',
    "simulator/src/lib.rs": "use funcify::Getter; use funcify_core::circuit;",
    "simulator/examples/fleet/main.rs": "use funcify_simulator::run;",
}
# What is broken, the files that break it, and the start of what must be found.
BROKEN = [
    ("core imports the facade", {"core/src/clock.rs": "use funcify::Getter;"}, "core/src/clock.rs:1: funcify-core must not import funcify"),
    ("core imports a backend, by a path in code", {"core/src/clock.rs": "fn f() { funcify_backend_redis::open() }"},
     "core/src/clock.rs:1: funcify-core must not import funcify_backend_redis"),
    ("a backend imports a backend", {"backend-ssm/src/lib.rs": "use funcify_backend_redis::Backend;"},
     "backend-ssm/src/lib.rs:1: funcify-backend-ssm must not import funcify_backend_redis"),
    ("a backend that is not of AWS imports what those share", {"backend-redis/src/lib.rs": "\npub use funcify_backend_aws as shared;"},
     "backend-redis/src/lib.rs:2: funcify-backend-redis must not import funcify_backend_aws"),
    ("a backend imports the facade", {"backend-aws/src/lib.rs": "use {funcify::{self, Getter}};"},
     "backend-aws/src/lib.rs:1: funcify-backend-aws must not import funcify"),
    ("the facade imports the simulator", {"src/stores/error.rs": "use funcify_simulator::run;"},
     "src/stores/error.rs:1: funcify must not import funcify_simulator"),
    ("the simulator imports a backend", {"simulator/src/lib.rs": "use funcify_backend_redis::Backend;"},
     "simulator/src/lib.rs:1: funcify-simulator must not import funcify_backend_redis"),
    ("a library imports the support of tests", {"src/stores/error.rs": "use funcify_test_support::grant;"},
     "src/stores/error.rs:1: funcify must not import funcify_test_support"),
    ("an example imports a backend", {"examples/orders/main.rs": "use funcify_backend_redis::Backend;"},
     "examples/orders/main.rs:1: funcify must not import funcify_backend_redis"),
    ("a package is new", {"new/Cargo.toml": '[package]\nname = "funcify-new"', "new/src/lib.rs": ""}, "funcify-new: say in"),
    ("the pipeline imports the token, by a re-export", {"src/pipeline/mod.rs": "use crate::Getter;"},
     "src/pipeline/mod.rs:1: src/pipeline/ must not import Getter of src/token/mod.rs"),
    ("the pipeline imports the token, by a path in code", {"src/pipeline/mod.rs": "fn f(getter: &crate::token::Part) {}"},
     "src/pipeline/mod.rs:1: src/pipeline/ must not import Part of src/token/parts.rs"),
    ("the token imports the pipeline", {"src/token/mod.rs": "mod parts; use super::pipeline; struct Getter(pipeline::Pipeline);"},
     "src/token/mod.rs:1: src/token/ must not import Pipeline of src/pipeline/mod.rs"),
    ("the register imports the circuit", {"core/src/register/mod.rs": "use crate::circuit::Breaker;"},
     "core/src/register/mod.rs:1: core/src/register/ must not import Breaker of core/src/circuit/breaker.rs"),
    ("the register imports the token", {"core/src/register/mod.rs": "use crate::token::*;"},
     "core/src/register/mod.rs:1: core/src/register/ must not import * of core/src/token/mod.rs"),
    ("a folder of a rule is gone", {"core/src/lib.rs": "pub mod circuit; mod clock; pub mod token;"}, "core/src/register/ has no files"),
    ("a backend is named outside the stores", {"src/token/parts.rs": "\n\nuse funcify_backend_ssm::Backend;"},
     "src/token/parts.rs:3: only src/stores/ and src/lib.rs may name a backend crate"),
    ("a feature is asked for outside the stores", {"src/token/parts.rs": '#[cfg(any(test, feature = "ssm"))] fn f() {}'},
     "src/token/parts.rs:1: only src/stores/ and src/lib.rs may have cfg(feature)"),
    ("a feature is asked for in an expression", {"src/pipeline/mod.rs": 'fn f() -> bool { cfg!(feature = "ssm") }'},
     "src/pipeline/mod.rs:1: only src/stores/ and src/lib.rs may have cfg(feature)"),
    ("a decision is async", {"core/src/circuit/rules/count.rs": "async fn count() {}"},
     "core/src/circuit/rules/count.rs:1: a decision must not have async code: async"),
    ("a decision reads a clock", {"core/src/token/decide.rs": "use crate::clock::Clock;"},
     "core/src/token/decide.rs:1: a decision must not have a clock: Clock"),
    ("a decision reads the time", {"core/src/token/decide.rs": "fn f() { Instant::now(); }"},
     "core/src/token/decide.rs:1: a decision must not have a clock: Instant"),
    ("a decision has I/O", {"core/src/token/decide.rs": "use std::{cmp, fs};"}, "core/src/token/decide.rs:1: a decision must not import std::fs"),
    ("a decision imports a runtime", {"core/src/circuit/rules/count.rs": "fn f() { tokio::spawn(g()); }"},
     "core/src/circuit/rules/count.rs:1: a decision must not import tokio::spawn"),
    ("a decision imports a provider", {"core/src/token/mod.rs": "mod decide; mod provider;", "core/src/token/provider.rs": "pub trait Provider {}",
     "core/src/token/decide.rs": "use super::provider::Provider;"},
     "core/src/token/decide.rs:1: a decision must not import Provider of core/src/token/provider.rs"),
    ("the decisions are gone", {"core/src/token/mod.rs": ""}, "core/src/token/decide has no files"),
    ("a module stands beside its folder", {"tests/redis.rs": "", "tests/redis/server.rs": ""}, "tests/redis.rs stands beside tests/redis/"),
    ("a file is in no module", {"tests/Cargo.toml": '[package]\nname = "funcify-tests"', "tests/main.rs": "mod api;", "tests/api/mod.rs": "fn circuit() {}",
     "tests/api/circuit.rs": ""}, "tests/api/circuit.rs is in no module"),
    ("two files import each other", {"core/src/clock.rs": "use crate::register::Version; pub struct Timestamp;",
     "core/src/register/mod.rs": "use crate::clock::Timestamp; pub struct Version;"},
     "these 2 files import each other: core/src/clock.rs, core/src/register/mod.rs"),
    ("a parent and its child import each other", {"src/stores/error.rs": "use super::Stores; pub struct StoresError;",
     "src/stores/mod.rs": "mod error; pub use error::StoresError; pub struct Stores; fn f() -> StoresError {}"},
     "these 2 files import each other: src/stores/error.rs, src/stores/mod.rs"),
    ("a parent calls a function of its child, which imports it", {"src/stores/error.rs": "use crate::stores::Stores; pub fn open() {}",
     "src/stores/mod.rs": "mod error; pub struct Stores; fn f() { error::open(); }"},
     "these 2 files import each other: src/stores/error.rs, src/stores/mod.rs"),
    ("three files import each other in a round", {"core/src/clock.rs": "fn f() { crate::register::g() }",
     "core/src/register/mod.rs": "pub fn g(report: crate::token::Kind) {}",
     "core/src/token/mod.rs": "mod decide; pub enum Kind {} fn f() -> crate::clock::f {}"},
     "these 3 files import each other: core/src/clock.rs, core/src/register/mod.rs, core/src/token/mod.rs"),
]


def run():
    found = violations(CLEAN)
    failed = 0
    if found:
        failed = 1
        print("FAILED: a clean tree\n" + "\n".join(found))
    for name, files, expected in BROKEN:
        found = violations({**CLEAN, **files})
        held = any(violation.startswith(expected) for violation in found)
        failed += not held
        print(f"{'ok' if held else 'FAILED'}: {name}")
        if not held:
            print(f"  expected {expected}\n  " + "\n  ".join(found))
    return 1 if failed else 0


def violations(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return list(rules.violations(root, list(crates.find_crates(root))))
