#!/usr/bin/env python3
"""Draws the pictures of the documentation: real sessions in a real terminal, as SVG.

    cargo build --release && tools/picture.py target/release docs/pictures

Needs tmux, which is the terminal: each picture is a session of keys typed into the shell, and what the screen shows
after them. Run it anew when the look of the shell changes.
"""

import html
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# What is typed, line by line, into which program; the screen's size fits the outcome.
PICTURES = {
    "shell": {
        "program": "fluxdb demo.flux",
        "size": (88, 27),
        "keys": [
            "SELECT region, host, count(*) AS points, max(usage) AS peak\n",
            "FROM cpu GROUP BY ALL ORDER BY peak DESC LIMIT 4;\n",
            "SELECT avg(usage), max(usage) FROM cpu\n",
            "WHERE time > '2026-01-07 12:00:00' GROUP BY region EVERY 6h;\n",
        ],
    },
    "inspect": {
        "program": "inspect demo.flux",
        "size": (104, 60),
        "keys": [],
    },
}

# The demo's table with fixed times, so that the pictures do not change from day to day.
DEMO = """
CREATE TABLE cpu AS
SELECT TIMESTAMP '2026-01-01' + (i // 8) * INTERVAL 10 SECOND AS time,
       'web0' || (i % 8 + 1) AS host,
       CASE WHEN i % 8 < 4 THEN 'eu' ELSE 'us' END AS region,
       round(50 + 5 * (i % 8) + 20 * sin(i / 11000.0) + 5 * sin(i * 0.7), 1) AS usage
FROM generate_series(0, 483839) g(i);
"""

COLOURS = ["#24292e", "#f97583", "#85e89d", "#ffea7f", "#79b8ff", "#b392f0", "#56d4dd", "#d1d5da"]
BRIGHT = ["#6a737d", "#fdaeb7", "#bef5cb", "#fff5b1", "#c8e1ff", "#d1bcf9", "#b3f0ff", "#fafbfc"]
FOREGROUND, BACKGROUND = "#d1d5da", "#1f2428"
CELL_WIDTH, CELL_HEIGHT, MARGIN = 8.4, 18, 14


def tmux(*words):
    return subprocess.run(["tmux", "-L", "picture", *words], check=True, capture_output=True, text=True).stdout


def wait_until_still():
    """Waits until the screen has not changed for half a second."""
    before = None
    while (screen := tmux("capture-pane", "-p", "-t", "picture")) != before:
        before = screen
        time.sleep(0.5)


def record(binaries, folder, picture):
    """The screen's lines, with escape sequences for colours, after all keys."""
    program, *arguments = picture["program"].split()
    width, height = picture["size"]
    command = f"HOME={folder} {binaries / program} {' '.join(arguments)}; sleep 60"
    tmux("new-session", "-d", "-s", "picture", "-x", str(width), "-y", str(height), "-c", str(folder), command)
    try:
        wait_until_still()
        for line in picture["keys"]:
            # A semicolon at the end of a word would end tmux's own command.
            typed = line.rstrip("\n").removesuffix(";")
            tmux("send-keys", "-t", "picture", "-l", typed)
            tmux("send-keys", "-t", "picture", *([r"\;"] if ";\n" in line else []), "Enter")
            wait_until_still()
        return tmux("capture-pane", "-e", "-p", "-t", "picture").rstrip("\n").split("\n")
    finally:
        tmux("kill-session", "-t", "picture")


def spans(line):
    """Pieces of a line: (text, colour, bold)."""
    colour, bold, out = FOREGROUND, False, []
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        if not piece.startswith("\x1b"):
            if piece:
                out.append((piece, colour, bold))
            continue
        for code in (int(c or 0) for c in piece[2:-1].split(";")):
            if code == 0:
                colour, bold = FOREGROUND, False
            elif code == 1:
                bold = True
            elif code == 2:
                colour = BRIGHT[0]
            elif code == 22:
                bold = False
            elif 30 <= code <= 37:
                colour = COLOURS[code - 30]
            elif code == 39:
                colour = FOREGROUND
            elif 90 <= code <= 97:
                colour = BRIGHT[code - 90]
    return out


def draw(lines, width):
    """An SVG of a terminal. Each piece is put at its own column, so that any monospaced font keeps the columns."""
    w, h = width * CELL_WIDTH + 2 * MARGIN, len(lines) * CELL_HEIGHT + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w:.0f}" height="{h:.0f}" viewBox="0 0 {w:.0f} {h:.0f}">',
        f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>',
        '<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">',
    ]
    for row, line in enumerate(lines):
        column = 0
        for text, colour, bold in spans(line):
            if text.strip():
                x, y = MARGIN + column * CELL_WIDTH, MARGIN + row * CELL_HEIGHT + 13
                weight = ' font-weight="bold"' if bold else ""
                out.append(
                    f'<text x="{x:.1f}" y="{y}" fill="{colour}"{weight} textLength="{len(text) * CELL_WIDTH:.1f}"'
                    f' lengthAdjust="spacingAndGlyphs">{html.escape(text)}</text>'
                )
            column += len(text)
    return "\n".join([*out, "</g>", "</svg>", ""])


def main():
    binaries, target = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([binaries / "fluxdb", Path(folder) / "demo.flux", DEMO], check=True)
        for name, picture in PICTURES.items():
            lines = record(binaries, Path(folder), picture)
            (target / f"{name}.svg").write_text(draw(lines, picture["size"][0]))
            print(f"{name}.svg: {len(lines)} lines")


if __name__ == "__main__":
    main()
