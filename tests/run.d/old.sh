# shellcheck shell=bash
# Version 0.1 of the example `fleet_member`, from the history of this repository: for the tests that run two versions on
# one store. It is built once, with a target directory of its own.

readonly old_commit=f9d9c11991de8d61bfc28410b22e3e3411ae8574

build_old_version() {
  local home=$PWD/target/old
  export FUNCIFY_TEST_OLD_MEMBER=$home/build/debug/examples/fleet_member
  if [[ -x $FUNCIFY_TEST_OLD_MEMBER && -e $home/built && $(<"$home/built") == "$old_commit" ]]; then return; fi
  git cat-file -e "$old_commit^{tree}" 2>/dev/null ||
    fail "version 0.1 (commit ${old_commit:0:7}) is not in this clone: run git fetch --unshallow, then run me again"
  say 'building version 0.1 into target/old (once, a few minutes)'
  rm -rf "$home/source"
  mkdir -p "$home/source"
  git archive "$old_commit" | tar -x -C "$home/source"
  (cd "$home/source" && cargo build --locked --all-features --example fleet_member --target-dir "$home/build") \
    >"$logs/old-version.log" 2>&1 || { tail -n 20 "$logs/old-version.log" >&2; fail 'version 0.1 could not be built'; }
  printf '%s' "$old_commit" >"$home/built"
}
