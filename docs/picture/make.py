#!/usr/bin/env python3
"""Draws what `hasmore demo` prints: python3 docs/picture/make.py HASMORE

HASMORE is the binary, for example target/debug/hasmore. The picture, demo.svg beside this file, is the
same on every machine: the only thing that changes from run to run, the port, is written as 8080.
With --check nothing is written; the exit code tells whether the picture is up to date.
"""

import os
import re
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

PICTURE = Path(__file__).with_name("demo.svg")
COMMAND = "hasmore demo"

# A cell of the grid, and the frame around it, in pixels.
CELL_WIDTH = 8.4
LINE_HEIGHT = 20
FONT_SIZE = 14
MARGIN = 20
TITLE_BAR = 34
COLUMNS_MIN = 80

BACKGROUND = "#161b22"
PLAIN = "#c9d1d9"
# Attributes of a span by the number of its ANSI sequence.
STYLES = {
    "1": 'fill="#f0f6fc" font-weight="bold"',
    "2": 'fill="#8b949e"',
    "31": 'fill="#ff7b72"',
    "32": 'fill="#7ee787"',
    "33": 'fill="#e3b341"',
    "36": 'fill="#79c0ff"',
}
SEQUENCE = re.compile(r"\x1b\[(\d*)m")


def main(arguments):
    check = "--check" in arguments
    programs = [word for word in arguments if word != "--check"]
    if len(programs) != 1:
        sys.exit(__doc__)
    picture = draw([f"\x1b[2m$\x1b[0m \x1b[1m{COMMAND}\x1b[0m", "", *lines_of(Path(programs[0]).resolve())])
    if not check:
        PICTURE.write_text(picture, encoding="utf-8")
    elif not PICTURE.exists() or PICTURE.read_text(encoding="utf-8") != picture:
        sys.exit(f"{PICTURE} is not what `{COMMAND}` prints now: run {__file__} {programs[0]}")


def lines_of(hasmore):
    environment = {**os.environ, "CLICOLOR_FORCE": "1"}
    environment.pop("NO_COLOR", None)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [hasmore, "demo"], cwd=folder, env=environment, stdout=subprocess.PIPE, check=True
        )
    text = re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:8080", done.stdout.decode())
    return text.rstrip().splitlines()


def draw(lines):
    columns = max(COLUMNS_MIN, *(len(SEQUENCE.sub("", line)) for line in lines))
    width = round(columns * CELL_WIDTH + 2 * MARGIN)
    height = TITLE_BAR + len(lines) * LINE_HEIGHT + MARGIN
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="What {COMMAND} prints">',
        f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>',
        *(
            f'<circle cx="{20 + 20 * place}" cy="18" r="6" fill="{colour}"/>'
            for place, colour in enumerate(["#ff5f56", "#ffbd2e", "#27c93f"])
        ),
        f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" '
        f'font-size="{FONT_SIZE}" fill="{PLAIN}">',
    ]
    for number, line in enumerate(lines):
        y = TITLE_BAR + number * LINE_HEIGHT + LINE_HEIGHT * 3 // 4
        drawn.extend(span(column, y, style, text) for column, style, text in spans(line))
    return "\n".join([*drawn, "</g>", "</svg>", ""])


def spans(line):
    """Parts of a line that look alike: where each begins, its style, its text."""
    column, style = 0, ""
    for place, part in enumerate(SEQUENCE.split(line)):
        if place % 2:
            style = STYLES.get(part, "")
            continue
        # A gap is no part of the text beside it.
        for words in re.finditer(r"\S+(?: \S+)*", part):
            yield column + words.start(), style, words.group()
        column += len(part)


def span(column, y, style, text):
    # The length is given, so that a font of another width does not move what stands in columns.
    x = MARGIN + column * CELL_WIDTH
    length = len(text) * CELL_WIDTH
    style = f" {style}" if style else ""
    return (
        f'<text x="{x:.1f}" y="{y}" textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs"'
        f"{style}>{escape(text)}</text>"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
