# shellcheck shell=bash
# The emulator `cargo lambda watch`. It builds and runs a package of its own, which becomes the example `orders` that
# cargo has built beside the tests.

start_cargo_lambda() {
  local home=$scratch/orders
  cargo_lambda_port=$(free_ports 1)
  export FUNCIFY_TEST_CARGO_LAMBDA=$state/cargo-lambda-venv/bin/cargo-lambda FUNCIFY_TEST_CARGO_LAMBDA_PORT=$cargo_lambda_port
  mkdir -p "$home/src"
  printf '%s\n' '[package]' 'name = "orders"' 'version = "0.0.0"' 'edition = "2024"' '[workspace]' >"$home/Cargo.toml"
  cat >"$home/src/main.rs" <<'END'
use std::{env, os::unix::process::CommandExt, process::Command};

fn main() {
    let orders = env::var_os("ORDERS").expect("ORDERS");
    panic!("orders does not start: {}", Command::new(orders).exec());
}
END
  serve cargo-lambda env -C "$home" -u CARGO_TARGET_DIR -u FUNCIFY_TOKENS -u FUNCIFY_CIRCUITS -u RUST_LOG \
    ORDERS="${CARGO_TARGET_DIR:-$PWD/target}/debug/examples/orders" ORDERS_STAND_INS=1 FUNCIFY_BACKEND=memory: \
    "$FUNCIFY_TEST_CARGO_LAMBDA" lambda watch --ignore-changes -A 127.0.0.1 -P "$cargo_lambda_port"
}

await_cargo_lambda() {
  await cargo-lambda 60 is_listening "$cargo_lambda_port"
  say "cargo lambda watch on port $cargo_lambda_port"
}

is_listening() { exec 9<>"/dev/tcp/127.0.0.1/$1" && exec 9>&-; }
