#!/usr/bin/env python3
"""Draws `funcify circuit watch` as it is in a terminal, with a fleet that drives its circuits.

  cargo build --workspace --all-features --bin funcify --example fleet_member
  python3 cli/picture.py docs/watch.svg

It starts a Redis and a tmux of its own, and needs both installed. It prints the screen as text too.
"""

import html
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

BUILT = pathlib.Path(__file__).resolve().parent.parent / "target" / "debug"
COLUMNS, LINES = 122, 10

# A cell of the picture, and the colours of the terminal.
WIDTH, HEIGHT, FONT = 8, 18, 13
GROUND, TEXT = "#15191f", "#d8dee9"
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#f2cc60"}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    screen = watched()
    print(re.sub(r"\x1b\[[0-9;]*m", "", screen))
    pathlib.Path(sys.argv[1]).write_text(svg(screen))


def watched():
    """The screen while one circuit is open, one half-open, two closed and one forced open."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    os.environ.pop("NO_COLOR", None)
    os.environ["FUNCIFY_BACKEND"] = f"redis://127.0.0.1:{port}"
    name = f"funcify-picture-{port}"
    tmux = lambda *words: subprocess.run(
        ["tmux", "-L", name, "-f", "/dev/null", "-u", *words], check=True, capture_output=True, text=True
    ).stdout
    members = []
    redis = subprocess.Popen(
        ["redis-server", "--bind", "127.0.0.1", "--port", port, "--save", ""],
        cwd=tempfile.gettempdir(), stdout=subprocess.DEVNULL,
    )
    try:
        time.sleep(1)
        subprocess.run(
            [f"{BUILT}/funcify", "circuit", "open", "identity-provider", "--for", "30m", "--reason", "it moves"]
            + ["--by", "ann@desk", "--yes"],
            check=True, capture_output=True,
        )
        # Each circuit: the failures that open it, for how many seconds, the probes that close it; then its calls.
        ok, fail = ["call 0 ok 0"], ["call 0 fail 0"]
        members = [member("stock", "9 60 1", fail), member("warehouse", "3 60 1", fail * 2)]
        members += [member("reports", "3 1 1", fail * 3), member("payments", "3 3 3", fail * 3)]
        time.sleep(1)
        tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), f"{BUILT}/funcify circuit watch")
        time.sleep(7)
        say(members[0], fail * 3)
        say(members[1], fail)
        say(members[2], ok)
        say(members[3], ok + ["call 0 ok 20000"])
        time.sleep(2)
        return tmux("capture-pane", "-e", "-p")
    finally:
        for process in members:
            process.kill()
        subprocess.run(["tmux", "-L", name, "kill-server"], check=False)
        redis.kill()


def member(circuit, policy, calls):
    process = subprocess.Popen(
        [BUILT / "examples" / "fleet_member", circuit, "serve"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )
    say(process, [f"circuit {circuit} {policy}"] + calls)
    return process


def say(process, lines):
    process.stdin.write("".join(line + "\n" for line in lines))
    process.stdin.flush()


def svg(screen):
    lines = screen.rstrip("\n").split("\n")
    width, height = COLUMNS * WIDTH + 32, len(lines) * HEIGHT + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="{FONT}" '
        'font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace">',
        f'<rect width="{width}" height="{height}" rx="6" fill="{GROUND}"/>',
    ]
    for row, line in enumerate(lines):
        column, style = 0, set()
        for codes, text in re.findall(r"\x1b\[([0-9;]*)m|([^\x1b]+)", line):
            if text:
                parts += run(column, row, text, style)
                column += len(text)
            style = style if text else styled(style, codes)
    return "\n".join(parts + ["</svg>", ""])


def styled(style, codes):
    """The style after an escape sequence: a colour replaces another one. 38;5;1 is another name of 31."""
    for code in re.sub(r"\b38;5;(?=[0-7]\b)", "3", codes).split(";"):
        if code in ("", "0"):
            style = set()
        elif code.startswith("3"):
            style = {kept for kept in style if not kept.startswith("3")} | {code}
        else:
            style = style | {code}
    return style


def run(column, row, text, style):
    """Text of one style: a ground if it is reversed, and the letters, each in its cell."""
    x, y = 16 + column * WIDTH, 12 + row * HEIGHT
    colour = next((COLOURS[code] for code in style if code in COLOURS), TEXT)
    if "7" in style:
        yield f'<rect x="{x}" y="{y}" width="{len(text) * WIDTH}" height="{HEIGHT}" fill="{colour}"/>'
        colour = GROUND
    bold = ' font-weight="bold"' if "1" in style else ""
    for word in re.finditer(r"\S+(?: \S+)*", text):
        length = len(word.group()) * WIDTH
        yield (
            f'<text x="{x + word.start() * WIDTH}" y="{y + 13}" fill="{colour}"{bold} textLength="{length}" '
            f'lengthAdjust="spacingAndGlyphs">{html.escape(word.group())}</text>'
        )


if __name__ == "__main__":
    main()
