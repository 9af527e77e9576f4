"""Who may import whom. Each rule yields the lines that break it."""

import collections
import functools
import re

from crates import circles
from source import tokens_of

CORE = "funcify_core"
FACADE = "funcify"
SIMULATOR = "funcify_simulator"
# For tests and benchmarks alone.
TEST_SUPPORT = "funcify_test_support"
# The crates of ours that a package may import; of backends, all.
ALLOWED = {
    "funcify-core": set(),
    "funcify-backend-aws": {CORE},
    "funcify-backend-memory": {CORE},
    "funcify-backend-redis": {CORE},
    "funcify-backend-dynamodb": {CORE, "funcify_backend_aws"},
    "funcify-backend-ssm": {CORE, "funcify_backend_aws"},
    "funcify": {CORE, "backends"},
    "funcify-simulator": {CORE, FACADE},
    "funcify-cli": {CORE, FACADE, SIMULATOR, "backends"},
    "funcify-benches": {CORE, FACADE, TEST_SUPPORT, "backends"},
    "funcify-test-support": {CORE, FACADE},
    "funcify-fuzz": {CORE, FACADE},
}
# What a folder must not import, within one crate.
SEPARATE = [
    ("src/pipeline/", "src/token/"),
    ("src/token/", "src/pipeline/"),
    ("core/src/register/", "core/src/circuit/"),
    ("core/src/register/", "core/src/token/"),
    ("core/src/register/", "core/src/idempotency/"),
]
# The only files of the facade that name a backend crate or ask for a feature.
CHOOSERS = re.compile(r"src/(lib\.rs|stores/.*)")
# Decisions: functions of a record, an input and the time, which the caller passes.
PURE = ["core/src/circuit/rules/", "core/src/token/decide", "core/src/idempotency/decide"]
IMPURE_WORDS = {
    "async": "async code", "await": "async code", "Instant": "a clock", "SystemTime": "a clock", "Clock": "a clock",
    "SystemClock": "a clock", "ManualClock": "a clock", "Deadline": "a clock", "println": "I/O", "eprintln": "I/O",
}
IMPURE_PATHS = re.compile(r"(tokio|futures_util|async_trait|std::(env|fs|io|net|process|thread))(::|$)")
IMPURE_FILES = re.compile(r"core/src/(circuit/breaker/|(circuit|token|idempotency)/provider)")


def packages(crates):
    """Each package imports packages below it only."""
    for crate in crates:
        if crate.package not in ALLOWED:
            yield f"{crate.package}: say in .ci/imports/rules.py which crates it may import"
            continue
        allowed = ALLOWED[crate.package]
        if crate.package == "funcify" and not crate.target.startswith("src/"):
            # An example is a user.
            allowed = {CORE, FACADE}
        for foreign in crate.foreign:
            name = foreign.path[0]
            is_ours = name == FACADE or name.startswith(f"{FACADE}_")
            # A program beside the library of its package imports that.
            is_own = name == crate.package.replace("-", "_")
            kind = "backends" if name.startswith("funcify_backend_") else name
            if is_ours and not is_own and name not in allowed and kind not in allowed:
                yield f"{foreign.file}:{foreign.line}: {crate.package} must not import {name}"


def folders(crates):
    """Folders that do not know each other."""
    for importer, imported in SEPARATE:
        files = [file for crate in crates for file in crate.files()]
        for folder in importer, imported:
            if not any(file.startswith(folder) for file in files):
                yield f"{folder} has no files: correct SEPARATE in .ci/imports/rules.py"
        for crate in crates:
            for import_ in crate.imports:
                if import_.file.startswith(importer) and import_.target.startswith(imported):
                    yield f"{import_.file}:{import_.line}: {importer} must not import {import_.item} of {import_.target}"


def backends_are_chosen_in_one_folder(crates):
    for crate in crates:
        if crate.target == "src/lib.rs":
            for foreign in crate.foreign:
                if foreign.path[0].startswith("funcify_backend_") and not CHOOSERS.fullmatch(foreign.file):
                    yield f"{foreign.file}:{foreign.line}: only src/stores/ and src/lib.rs may name a backend crate"


def features_are_asked_for_in_one_folder(root):
    for file in sorted((root / "src").rglob("*.rs")):
        name = str(file.relative_to(root))
        if not CHOOSERS.fullmatch(name):
            tokens = tokens_of(file.read_text())
            for token, next_ in zip(tokens, tokens[1:]):
                # Of `#[cfg(feature = "x")]`, `cfg_attr`, `any(feature = "x", …)` and `cfg!(feature = "x")`.
                if token.text == "feature" and next_.text == "=":
                    yield f"{name}:{token.line}: only src/stores/ and src/lib.rs may have cfg(feature)"


def decisions_are_pure(crates):
    for prefix in PURE:
        if not any(file.startswith(prefix) for crate in crates for file in crate.files()):
            yield f"{prefix} has no files: correct PURE in .ci/imports/rules.py"
    for crate in crates:
        for module in crate.modules.values():
            if module.file.startswith(tuple(PURE)):
                for name, line in [*module.words, *((use.path[-1], use.line) for use in module.uses)]:
                    if name in IMPURE_WORDS:
                        yield f"{module.file}:{line}: a decision must not have {IMPURE_WORDS[name]}: {name}"
        for foreign in crate.foreign:
            path = "::".join(foreign.path)
            if foreign.file.startswith(tuple(PURE)) and IMPURE_PATHS.match(path):
                yield f"{foreign.file}:{foreign.line}: a decision must not import {path}"
        for import_ in crate.imports:
            if import_.file.startswith(tuple(PURE)) and IMPURE_FILES.match(import_.target):
                yield f"{import_.file}:{import_.line}: a decision must not import {import_.item} of {import_.target}"


def one_module_style(root):
    for file in sorted(root.rglob("*.rs")):
        folder = file.with_suffix("")
        name = file.relative_to(root)
        if name.parts[0] != "target" and folder.is_dir() and any(folder.glob("*.rs")):
            yield f"{name} stands beside {name.with_suffix('')}/: make it {name.with_suffix('')}/mod.rs"


def every_file_is_compiled(root):
    """Each file is a target, or a module that the file above it declares. Cargo passes over any other in silence."""
    files = [file for file in sorted(root.rglob("*.rs")) if file.relative_to(root).parts[0] != "target"]
    manifests = [root / "Cargo.toml", *root.glob("*/Cargo.toml")]
    targets = {
        manifest.parent / name for manifest in manifests for name in re.findall(r'"([^"]+\.rs)"', manifest.read_text())
    }
    folders = {manifest.parent for manifest in manifests}
    for file in files:
        # Cargo finds these by their place.
        is_found = file.parent.name in ("tests", "examples", "benches", "bin") and file.parent not in folders
        if file.name in ("lib.rs", "main.rs", "build.rs") or is_found:
            targets.add(file)
        targets.update(file.parent / name for name in re.findall(r'\binclude!\("([^"]+\.rs)"\)', file.read_text()))
    declared = functools.cache(lambda file: set(declarations(tokens_of(file.read_text()))))
    for file in files:
        is_folder = file.name == "mod.rs"
        name = file.parent.name if is_folder else file.stem
        above = file.parent.parent if is_folder else file.parent
        parents = [target for target in (*targets, above / "mod.rs") if target.parent == above and target.exists()]
        if file not in targets and not any(name in declared(parent) for parent in parents):
            yield f"{file.relative_to(root)} is in no module"


def declarations(tokens):
    """The names of all `mod name;`."""
    for word, name, end in zip(tokens, tokens[1:], tokens[2:]):
        if word.text == "mod" and end.text == ";":
            yield name.text


def no_circles(crates):
    """No files import each other, directly or through others."""
    for crate in crates:
        for group in circles(crate.imports):
            lines = [f"these {len(group)} files import each other: {', '.join(group)}"]
            edges = collections.defaultdict(dict)
            for import_ in crate.imports:
                if import_.file in group and import_.target in group:
                    edges[import_.file, import_.target].setdefault(import_.item, import_.line)
            for (file, target), items in sorted(edges.items()):
                names = ", ".join(f"{item} (line {line})" for item, line in items.items())
                lines.append(f"    {file} uses of {target}: {names}")
            yield "\n".join(lines)


def violations(root, crates):
    yield from packages(crates)
    yield from folders(crates)
    yield from backends_are_chosen_in_one_folder(crates)
    yield from features_are_asked_for_in_one_folder(root)
    yield from decisions_are_pure(crates)
    yield from one_module_style(root)
    yield from every_file_is_compiled(root)
    yield from no_circles(crates)
