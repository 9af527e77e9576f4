//! A test that needs a server of ours is reported as ignored when that server is the caller's own, and one that needs
//! version 0.1 when that is not built. `libtest` knows that only from an attribute, so `tests/run` says it at build time, by
//! `FUNCIFY_TEST_OWN` and `FUNCIFY_TEST_OLD_MEMBER`.
#![allow(clippy::print_stdout, reason = "how a build script speaks to cargo")]

include!("own.rs");

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed=own.rs");
    println!("cargo::rerun-if-env-changed=FUNCIFY_TEST_OWN");
    for (_, cfg) in OWN_SERVERS {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
    }
    println!("cargo::rerun-if-env-changed=FUNCIFY_TEST_OLD_MEMBER");
    println!("cargo::rustc-check-cfg=cfg(old_version)");
    if std::env::var_os("FUNCIFY_TEST_OLD_MEMBER").is_some() {
        println!("cargo::rustc-cfg=old_version");
    }
    for cfg in own_cfgs(&std::env::var("FUNCIFY_TEST_OWN").unwrap_or_default())? {
        println!("cargo::rustc-cfg={cfg}");
    }
    Ok(())
}
