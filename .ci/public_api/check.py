"""What must hold of the lists."""

import collections
import difflib


def faults(surfaces, limit):
    """What is wrong with the surfaces themselves."""
    for package, entries in surfaces.items():
        for entry in entries:
            if not entry.documented:
                yield f"{package}: no docs on {entry.line}"
    counted = total(surfaces)
    if counted > limit:
        yield f"{counted} public items, the limit is {limit}: python3 .ci/public_api --count"


def compare(path, entries):
    """What differs between the list in the repository and the surface."""
    listed = path.read_text() if path.exists() else ""
    difference = list(difflib.unified_diff(
        listed.splitlines(), text_of(entries).splitlines(), str(path.relative_to(path.parents[2])), "the source", "", "", 0, ""))
    if difference:
        yield "\n".join(difference)
        yield f"{path.name} is out of date. If the change is intended: python3 .ci/public_api --update"


def text_of(entries):
    return "".join(f"{entry.line}\n" for entry in entries)


def total(surfaces):
    return sum(entry.counted for entries in surfaces.values() for entry in entries)


def by_file(surfaces):
    """Lines with the number of items of each area and file."""
    files = collections.Counter(entry.file for entries in surfaces.values() for entry in entries if entry.counted)
    areas = collections.defaultdict(dict)
    for file, number in files.items():
        folder, _, rest = file.partition("src/")
        areas[f"{folder}src/{rest.partition('/')[0]}"][file] = number
    for area, parts in sorted(areas.items()):
        yield f"{sum(parts.values()):5} {area}"
        for file, number in sorted(parts.items()):
            if file != area:
                yield f"{'':5} {number:5} {file}"
