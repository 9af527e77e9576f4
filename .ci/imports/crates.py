"""The crates of the repository, and the files that each of their files imports."""

import collections
import re

from source import read

# Line `line` of `file` names `item`, which `target` defines.
Import = collections.namedtuple("Import", "file line item target")
# Line `line` of `file` names something of another crate.
Foreign = collections.namedtuple("Foreign", "file line path")
# A module, and an item in it or none.
Definition = collections.namedtuple("Definition", "module item")

TARGETS = ("lib.rs", "*/lib.rs", "*/main.rs", "src/bin/*.rs", "src/bin/*/main.rs", "examples/*.rs", "examples/*/main.rs")


def find_crates(root):
    """The libraries, programs, examples and benchmarks of the packages in a folder and directly below it."""
    manifests = sorted([root / "Cargo.toml", *root.glob("*/Cargo.toml")])
    for manifest in manifests:
        folder = manifest.parent
        files = sorted(file for pattern in TARGETS for file in folder.glob(pattern))
        for file in files:
            is_of_another = file.parent != folder and folder / file.relative_to(folder).parts[0] / "Cargo.toml" in manifests
            if "tests" not in file.relative_to(root).parts and not is_of_another:
                name = re.search(r'^name = "(.+)"', manifest.read_text(), re.MULTILINE)
                yield Crate(root, name[1], file)


class Crate:
    """A library, program, example or benchmark, with the imports of its files."""

    def __init__(self, root, package, target):
        self.root, self.package = root, package
        self.target = str(target.relative_to(root))
        self.modules = {}
        self.imports, self.foreign = [], []
        self.load((), target)
        for module in list(self.modules.values()):
            self.note_imports(module)

    def load(self, path, file):
        read_ = read(file.read_text(), path, str(file.relative_to(self.root)))
        # The folder that holds the children of this file.
        folder = file.parent if file.name in ("lib.rs", "main.rs", "mod.rs") or path == () else file.parent / file.stem
        for module in read_.all():
            self.modules[module.path] = module
            for name in module.declared:
                below = folder.joinpath(*module.path[len(path):])
                for candidate in below / f"{name}.rs", below / name / "mod.rs":
                    if candidate.exists():
                        self.load((*module.path, name), candidate)

    def files(self):
        return sorted({module.file for module in self.modules.values()})

    def note_imports(self, module):
        words = {word.name for word in module.words}
        for use in module.uses:
            # A module that only passes an item on does not use it.
            is_passed_on = use.exported and not use.is_glob and use.name not in words
            self.note(module, use.path, use.line, is_passed_on, use.is_glob)
        for path in module.paths:
            self.note(module, path.name, path.line)

    def note(self, module, path, line, is_passed_on=False, is_glob=False):
        found = self.resolve(module.path, path)
        if found is None:
            self.foreign.append(Foreign(module.file, line, completed(module, path)))
        elif found.module.file != module.file and not is_passed_on and (found.item is not None or is_glob):
            self.imports.append(Import(module.file, line, found.item or "*", found.module.file))

    def resolve(self, within, path, seen=frozenset()):
        """What a path names in a module, by the module that defines it; none if that is in another crate."""
        if (within, path) in seen:
            return None
        seen = seen | {(within, path)}
        module = self.modules[within]
        for position, name in enumerate(path):
            if name == "crate" and position == 0:
                module = self.modules[()]
            elif name == "super" and module.path:
                module = self.modules[module.path[:-1]]
            elif name == "self":
                pass
            elif (*module.path, name) in self.modules:
                module = self.modules[(*module.path, name)]
            elif name in module.items:
                return Definition(module, name)
            else:
                found = self.imported(module, name, seen)
                if found is None:
                    is_foreign = position == 0 or any(use.name == name for use in module.uses)
                    # Else a macro of this module declares it.
                    return None if is_foreign else Definition(module, name)
                if found.item is not None:
                    return found
                module = found.module
        return Definition(module, None)

    def imported(self, module, name, seen):
        """What a module has under a name by `use`."""
        for use in module.uses:
            if use.name == name and use.path != (name,):
                return self.resolve(module.path, use.path, seen)
        for use in module.uses:
            source = self.resolve(module.path, use.path, seen) if use.is_glob else None
            if source is not None and source.item is None and self.declares(source.module, name):
                return self.resolve(source.module.path, (name,), seen)
        return None

    def declares(self, module, name):
        return name in module.items or (*module.path, name) in self.modules or any(use.name == name for use in module.uses)


def completed(module, path):
    """A path of another crate, from the name of the crate on."""
    for use in module.uses:
        if use.name == path[0] and use.path != path[:1] and use.path != path:
            return (*use.path, *path[1:])
    return path


def circles(imports):
    """The groups of files of which each imports every other, directly or through others of the group."""
    targets = collections.defaultdict(set)
    for import_ in imports:
        targets[import_.file].add(import_.target)
    groups, order, lowest, stack = [], {}, {}, []

    # Tarjan's algorithm.
    def visit(file):
        order[file] = lowest[file] = len(order)
        stack.append(file)
        for target in sorted(targets[file]):
            if target not in order:
                visit(target)
            if target in stack:
                lowest[file] = min(lowest[file], lowest[target])
        if lowest[file] == order[file]:
            group = stack[stack.index(file):]
            del stack[stack.index(file):]
            if len(group) > 1:
                groups.append(sorted(group))

    for file in sorted(targets):
        if file not in order:
            visit(file)
    return sorted(groups)
