"""Asserts from the source who imports whom. Says every violation, then fails.

  python3 .ci/imports              checks the repository
  python3 .ci/imports FOLDER       shows only the violations that name the folder
  python3 .ci/imports --self-test  shows on small trees that each rule can fail

The rules are in rules.py. A file imports another if it names an item that the other defines, by `use` or by a path in
code, through however many re-exports. A module that only declares and re-exports its children imports nothing. Methods
are not seen: a child may have an `impl` block of its parent's type, if the parent names no item of the child.
Code that is compiled for tests only is not read.
"""

import pathlib
import sys

sys.dont_write_bytecode = True

import crates
import rules
import self_test

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test.run()
    found = list(rules.violations(ROOT, list(crates.find_crates(ROOT))))
    shown = [violation for violation in found if not arguments or arguments[0] in violation]
    for violation in shown:
        print(violation)
    return 1 if shown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
