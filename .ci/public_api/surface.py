"""The items of a crate that a user can reach, from the JSON of rustdoc."""

import collections
import sys

from signature import path_text, signature, type_text

CRATES = {"funcify_core": "funcify-core", "funcify": "funcify"}
# Of Rust 1.95. Another format may have moved what is read here and in signature.py.
FORMAT = 57

Entry = collections.namedtuple("Entry", "path line counted file documented")


def list_all(documents):
    """The entries of every package, sorted. What one crate re-exports of another is listed there, and here as a name."""
    surfaces = {}
    for name in documents:
        surfaces[name] = Surface(name, documents, dict(surfaces))
    return {CRATES[name]: surface.entries() for name, surface in surfaces.items()}


class Surface:
    """The items of a crate that have a public path, and these paths."""

    def __init__(self, name, documents, others):
        if documents[name]["format_version"] != FORMAT:
            sys.exit(f"expected the JSON of rustdoc in format {FORMAT}, got {documents[name]['format_version']}: see surface.py")
        self.name, self.documents, self.others = name, documents, others
        # The path of each item, by its crate and number there.
        self.found = {}
        # What else leads to an item.
        self.aliases = []
        # By breadth, so that an item is listed at its shortest path.
        queue = collections.deque([(name, documents[name]["root"], name)])
        self.found[name, documents[name]["root"]] = name
        while queue:
            queue.extend(self.visit(*queue.popleft()))

    def entries(self):
        entries = [Entry(path, f"use {path} = {target}", False, None, True) for path, target in self.aliases]
        for (crate, item_id), path in self.found.items():
            described = describe(self.documents[crate]["index"], str(item_id), path)
            # A crate is not an item of itself.
            entries += (entry._replace(counted=entry.counted and path != self.name) for entry in described)
        return sorted(set(entries), key=lambda entry: (entry.path, entry.line.startswith("impl "), entry.line))

    def visit(self, crate, module_id, path):
        """Notes the items of a module, and returns the modules in it."""
        index = self.documents[crate]["index"]
        modules = []
        # What is defined here goes before what is only re-exported.
        for child_id in sorted(index[str(module_id)]["inner"]["module"]["items"], key=lambda id_: "use" in index[str(id_)]["inner"]):
            child = index[str(child_id)]
            if child["visibility"] != "public" or hidden(child):
                continue
            owner, item, name = self.resolve(crate, child)
            child_path = f"{path}::{name}"
            if item is None:
                self.aliases.append((child_path, child["inner"]["use"]["source"]))
                continue
            key = (owner, item["id"])
            if hidden(item):
                continue
            if "use" in child["inner"] and child["inner"]["use"]["is_glob"]:
                modules.append((owner, item["id"], path))
                continue
            known = self.found.get(key) or (owner in self.others and self.others[owner].found.get(key))
            if known:
                self.aliases.append((child_path, known))
                continue
            self.found[key] = child_path
            if "module" in item["inner"]:
                modules.append((owner, item["id"], child_path))
        return modules

    def resolve(self, crate, item):
        """The crate that defines what an item of a module is, the definition (none if it is foreign), and its name here."""
        if "use" not in item["inner"]:
            return crate, item, item["name"]
        use = item["inner"]["use"]
        owner, target = crate, self.documents[crate]["index"].get(str(use["id"]))
        if target is None:
            owner, target = self.definition(crate, use["id"])
        if target is not None and "use" in target["inner"]:
            owner, target, _ = self.resolve(owner, target)
        return owner, target, use["name"]

    def definition(self, crate, item_id):
        """An item of another of our crates: numbers differ from crate to crate, paths do not."""
        summary = self.documents[crate]["paths"].get(str(item_id))
        owner = summary["path"][0] if summary else None
        for id_, other in self.documents[owner]["paths"].items() if owner in self.documents else ():
            if other["crate_id"] == 0 and (other["path"], other["kind"]) == (summary["path"], summary["kind"]):
                return owner, self.documents[owner]["index"].get(id_)
        return crate, None


def describe(index, item_id, path):
    """The entries of an item and of what belongs to it."""
    item = index[item_id]
    kind, inner = next(iter(item["inner"].items()))
    file = item["span"]["filename"]

    def entry(item, path, counted):
        prefix = "#[non_exhaustive] " if "non_exhaustive" in item["attrs"] else ""
        # A field of a tuple is documented by its owner.
        documented = bool(item["docs"]) or item["name"].isdigit()
        return Entry(path, prefix + signature(index, item, path), counted, file, documented)

    yield entry(item, path, True)
    for member in present(index, members(kind, inner)):
        member_path = f"{path}::{member['name']}"
        yield entry(member, member_path, False)
        form = member["inner"].get("variant", {}).get("kind")
        for field in present(index, form["struct"]["fields"] if isinstance(form, dict) and "struct" in form else []):
            yield entry(field, f"{member_path}::{field['name']}", False)
    traits = []
    for block in present(index, inner["impls"] if kind in ("struct", "enum", "union") else []):
        impl = block["inner"]["impl"]
        if impl["trait"] is None:
            for member in present(index, impl["items"]):
                if member["visibility"] == "public":
                    yield entry(member, f"{path}::{member['name']}", True)
        elif not impl["is_synthetic"] and not impl["blanket_impl"] and impl["trait"]["path"] != "StructuralPartialEq":
            traits.append(path_text(impl["trait"]))
    if traits:
        yield Entry(path, f"impl {', '.join(sorted(traits))} for {path}", False, file, True)


def present(index, ids):
    """The items that are in the JSON and not hidden."""
    return [index[str(id_)] for id_ in ids if str(id_) in index and not hidden(index[str(id_)])]


def members(kind, inner):
    if kind == "enum":
        return inner["variants"]
    if kind == "trait":
        return inner["items"]
    if kind == "union":
        return inner["fields"]
    if kind == "struct" and isinstance(inner["kind"], dict):
        return inner["kind"]["tuple"] if "tuple" in inner["kind"] else inner["kind"]["plain"]["fields"]
    return []


def hidden(item):
    texts = [attribute.get("other", "") for attribute in item["attrs"] if isinstance(attribute, dict)]
    return any(text.startswith("#[doc(") and "hidden" in text for text in texts)
