"""Draws the plots of docs/performance.md and writes its tables: plots.py MEASURED PAGE FOLDER

MEASURED is the folder with what `benches/performance/run` has measured. What is between `<!-- NAME -->` and `<!-- end -->` in
the page is replaced, unless its measurement is missing.
"""

import datetime
import json
import math
import pathlib
import re
import sys

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 84, 40, 72, 60
# Told apart without colours too: each line has its own dashes, and its name stands at its end.
STYLES = [("#1864ab", ""), ("#c92a2a", "6 4"), ("#2b8a3e", "2 3"), ("#862e9c", "10 4 2 4")]
INK, GRID = "#343a40", "#dee2e6"


def decades(low, high):
    """The powers of ten that hold everything, one at least."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    return first, max(last, first + 1)


def number(value):
    value = round(value, 6)
    return f"{int(value):,}" if value == int(value) else f"{value:,}"


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def plot(title, x, y, lines, log_y=True):
    """An SVG: `lines` maps a name to its points. Both axes are logarithmic, unless `log_y` is not wanted: then it is from 0."""
    points = [point for line in lines.values() for point in line]
    x_first, x_last = decades(min(p[0] for p in points), max(p[0] for p in points))
    if log_y:
        y_first, y_last = decades(min(p[1] for p in points), max(p[1] for p in points))
        ticks = [10.0**power for power in range(y_first, y_last + 1)]
    else:
        most = max(p[1] for p in points)
        step = 10.0 ** math.floor(math.log10(most))
        step = next(step * part for part in (0.2, 0.5, 1.0, 2.0) if most / (step * part) <= 6)
        ticks = [step * count for count in range(math.ceil(most / step * 1.02) + 1)]

    def at_x(value):
        return LEFT + (math.log10(value) - x_first) / (x_last - x_first) * (WIDTH - LEFT - RIGHT)

    def at_y(value):
        part = (math.log10(value) - y_first) / (y_last - y_first) if log_y else value / ticks[-1]
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" '
        f'font-size="13" fill="{INK}">',
        f"<title>{escaped(title)}</title>",
        # A background of its own, so that it can be read on a dark page.
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="26" font-size="16">{escaped(title)}</text>',
    ]
    for power in range(x_first, x_last + 1):
        place = at_x(10.0**power)
        out.append(f'<path d="M{place:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="{GRID}"/>')
        out.append(f'<text x="{place:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number(10.0**power)}</text>')
    for tick in ticks:
        place = at_y(tick)
        out.append(f'<path d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{place + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    out.append(f'<text x="{middle:.0f}" y="{HEIGHT - 14}" text-anchor="middle">{escaped(x)}</text>')
    height = TOP + (HEIGHT - TOP - BOTTOM) / 2
    out.append(f'<text transform="translate(18 {height:.0f}) rotate(-90)" text-anchor="middle">{escaped(y)}</text>')
    legend = LEFT
    for (name, line), (colour, dashes) in zip(lines.items(), STYLES):
        path = " ".join(f"{'ML'[index > 0]}{at_x(px):.1f} {at_y(py):.1f}" for index, (px, py) in enumerate(line))
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>')
        out += [f'<circle cx="{at_x(px):.1f}" cy="{at_y(py):.1f}" r="3.5" fill="{colour}"/>' for px, py in line]
        out.append(f'<path d="M{legend} 48h28" stroke="{colour}" stroke-width="2"{dashed}/>')
        out.append(f'<text x="{legend + 34}" y="52">{escaped(name)}</text>')
        legend += 52 + 7.2 * len(name)
    return "\n".join(out) + "\n</svg>\n"


def rows(folder, name):
    file = folder / f"{name}.json"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def table(head, body):
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def time_of(ns):
    for unit, factor in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= factor:
            return f"{ns / factor:.{0 if ns >= 100 * factor else 1}f} {unit}"
    return f"{ns:.0f} ns"


def ratio_of(ratio):
    return f"{ratio:.2f}" if ratio >= 0.01 else f"{ratio:.3f}"


# The curve of the benchmark, the file, its x axis, the unit of its y axis in nanoseconds, and the name of that.
CURVES = [
    ("an event, by routes", "routes", "HTTP routes of the pipeline", 1e3, "µs for an event"),
    ("an event, by bytes of its body", "body", "bytes of the body", 1e3, "µs for an event"),
    ("a message of a batch, by messages", "batch", "messages of the batch", 1e3, "µs for a message"),
    ("a call in a circuit, by calls in the window", "window", "calls in the window", 1, "ns for a call"),
    ("a read in Redis, by bytes of the record", "record", "bytes of the record", 1e3, "µs for a read, median"),
]


def growth(folder, figures):
    found = rows(folder, "growth")
    body, plots = [], {}
    for curve, file, x, unit, y in CURVES:
        lines = {}
        for row in found:
            if row["curve"] == curve:
                lines.setdefault(row["side"], []).append((row["size"], row["ns"]))
        if not lines:
            continue
        ranges = [point[1] for line in lines.values() for point in line]
        scaled = {side: [(size, ns / unit) for size, ns in line] for side, line in lines.items()}
        # A line that hardly changes says so from zero.
        plots[file] = plot(curve[0].upper() + curve[1:], x, y, scaled, log_y=max(ranges) > 8 * min(ranges))
        for side, line in lines.items():
            body.append([curve + ("" if side == "funcify" else f": {side}"), "; ".join(f"{size:,}: {time_of(ns)}" for size, ns in line)])
    if body:
        figures["growth"] = table(["what", "size: time"], body)
    threads = {row["size"]: row["ns"] for row in found if row["curve"].startswith("an event, by threads")}
    if threads:
        figures["threads"] = table(
            ["threads", "events a second", "beside one thread"],
            [[count, f"{1e9 / ns:,.0f}", f"{threads[1] / ns:.2f} ×"] for count, ns in threads.items()],
        )
    return plots


def fleets(folder, figures):
    found = rows(folder, "fleets")
    of = {(row["scenario"], row["instances"]): row["figures"] for row in found}
    sizes = sorted({instances for _, instances in of})
    if not sizes:
        return {}
    cold = lambda name: [(size, of["cold-burst", size][name]) for size in sizes]
    body = [
        [
            f"{size:,}",
            number(of["cold-burst", size]["grants"]),
            number(of["cold-burst", size]["store_ops"]),
            f"{of['cold-burst', size]['longest_wait_s']:.2f} s",
            f"{of['steady-refresh', size]['grants']:.2f}",
            number(of["outage", size]["failures_before_open"]),
        ]
        for size in sizes
    ]
    figures["fleets"] = table(
        ["instances", "cold start: grants", "store operations", "longest wait", "steady: grants for each renewal", "outage: failures until the circuit opens"],
        body,
    )
    lines = {"grants": cold("grants"), "store operations, Redis": cold("store_ops")}
    return {"instances": plot("A cold start of the whole fleet, by instances", "instances", "count", lines)}


def peers(folder, figures):
    found = rows(folder, "peers")
    if found:
        figures["peers"] = table(
            ["operation", "time", "allocations", "beside", "ratio of time", "its allocations"],
            [
                [row["case"], time_of(row["ours_ns"]), row["ours_allocs"], row["peer"], ratio_of(row["ratio"]), row["peer_allocs"]]
                for row in found
            ],
        )


def first(folder, figures):
    of = {}
    for row in rows(folder, "first"):
        of.setdefault(row["store"], {})[row["side"]] = row
    if of:
        figures["first"] = table(
            ["store", "until", "funcify", "bare client", "ratio of time"],
            [
                [store, until, *(time_of(sides[side][key]) for side in ("funcify", "bare client")), ratio_of(sides["funcify"][key] / sides["bare client"][key])]
                for store, sides in of.items()
                for until, key in (("ready", "ready_ns"), ("the first answer", "answer_ns"))
            ],
        )


def memory(folder, figures):
    for row in rows(folder, "memory"):
        body = [["ready for the first event" if not at["events"] else f"{at['events']:,} event{'s' * (at['events'] > 1)}", f"{at['kb'] / 1024:.1f} MiB"] for at in row["after"]]
        body.append(["the most at any time", f"{row['peak_kb'] / 1024:.1f} MiB"])
        figures["memory"] = table(["after", "resident memory"], body)


def main():
    measured, page, folder = map(pathlib.Path, sys.argv[1:])
    figures = {}
    plots = {**growth(measured, figures), **fleets(measured, figures)}
    peers(measured, figures)
    first(measured, figures)
    memory(measured, figures)
    folder.mkdir(exist_ok=True)
    for name, image in plots.items():
        (folder / f"{name}.svg").write_text(image)
        title = image.split("<title>")[1].split("</title>")[0]
        figures[name] = f"![{title}]({folder.name}/{name}.svg)"
    newest = max((file.stat().st_mtime for file in measured.glob("*.json")), default=None)
    if newest:
        figures["when"] = f"Measured on {datetime.date.fromtimestamp(newest):%-d %B %Y}."
    text = page.read_text()
    for name, figure in figures.items():
        text, count = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda found: f"{found[1]}{figure}\n{found[2]}", text, flags=re.S)
        if count != 1:
            sys.exit(f"{page} has no place for {name}")
    page.write_text(text)
    print(f"{len(plots)} plots in {folder}, {len(figures)} figures in {page}")


if __name__ == "__main__":
    main()
