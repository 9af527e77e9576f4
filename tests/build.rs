//! A test that needs a server of ours is reported as ignored when that server is the caller's own. `libtest` knows that
#![allow(clippy::print_stdout, reason = "how a build script speaks to cargo")]
//! only from an attribute, so `tests/run` says it at build time, by `FUNCIFY_TEST_OWN`.

include!("own.rs");

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=own.rs");
    println!("cargo::rerun-if-env-changed=FUNCIFY_TEST_OWN");
    for (_, cfg) in OWN_SERVERS {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
    }
    for cfg in own_cfgs(&std::env::var("FUNCIFY_TEST_OWN").unwrap_or_default())? {
        println!("cargo::rustc-cfg={cfg}");
    }
    Ok(())
}
