"""How wide a formula will be on paper, estimated from its LaTeX without running TeX."""

import itertools
import re

_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[{}^_&]|\s+|.", re.DOTALL)
_WORDS = {"log": 17, "exp": 20, "lim": 18, "min": 21, "max": 23, "sin": 17, "cos": 18}
_WIDE = {"sum": 19, "int": 14, "limits": 0, "infty": 12, "Vert": 6, "quad": 11, "ldots": 12, "cdot": 8}
_SPACES = {",": 2, ";": 4, ":": 3, "!": -2, " ": 3}
BINARY = ("+", "-", "=", r"\leq", r"\geq", r"\le", r"\ge")


def tokens(text: str) -> list[str]:
    """LaTeX cut into commands, braces, scripts, spaces and single characters."""
    return _TOKEN.findall(text)


def width(text: str) -> float:
    """Estimated width in points of LaTeX mathematics in display style at 11 points, rather too large than too small.

    >>> 20 < width("a + b") < 40
    True
    """
    return _row([token for token in tokens(text) if not token.isspace()], 0)[0]


def _row(row: list[str], start: int) -> tuple[float, int]:
    """Width of the row up to the closing brace of the group that begins at `start`, and where that is."""
    total, place, stacked = 0.0, start, 0.0
    while place < len(row) and row[place] != "}":
        token = row[place]
        if token in "^_":
            start = place + 1
            script, place = _argument(row, start)
            script -= 6 * sum(other in BINARY for other in row[start:place])  # no spaces around signs in scripts
            stacked = max(stacked, 0.75 * script)
            if place >= len(row) or row[place] not in "^_":
                total, stacked = total + stacked, 0.0
            continue
        size, place = _one(row, place)
        total += size
    return total, place


def _argument(row: list[str], place: int) -> tuple[float, int]:
    return _one(row, place) if place < len(row) else (0.0, place)


def _one(row: list[str], place: int) -> tuple[float, int]:
    """Width of one token with its arguments, and the place after it."""
    token = row[place]
    if token == "{":
        size, end = _row(row, place + 1)
        return size, end + 1
    if token == r"\frac":
        above, place = _argument(row, place + 1)
        below, place = _argument(row, place)
        return max(above, below) + 4, place
    if token == r"\sqrt":
        inside, place = _argument(row, place + 1)
        return inside + 11, place
    if token in (r"\operatorname", r"\mathrm", r"\text", r"\bar", r"\left", r"\right"):
        return _argument(row, place + 1)
    if token == r"\begin":
        return _environment(row, place)
    if token == r"\substack":
        end = _closing(row, place + 1)
        rows = _split(row[place + 2 : end], r"\\")
        return max(_row(row, 0)[0] for row in rows), end + 1
    return _glyph(token), place + 1


def _environment(row: list[str], place: int) -> tuple[float, int]:
    """Width of rows and columns, as in a matrix or a case distinction, from its begin to its end."""
    depth, end = 0, place
    for end in range(place, len(row)):
        depth += {r"\begin": 1, r"\end": -1}.get(row[end], 0)
        if depth == 0:
            break
    inside = row[_closing(row, place + 1) + 1 : end]
    rows = [[_row(cell, 0)[0] for cell in _split(row, "&")] for row in _split(inside, r"\\")]
    columns = itertools.zip_longest(*rows, fillvalue=0.0)
    return sum(max(column) + 12 for column in columns), _closing(row, end + 1) + 1


def _glyph(token: str) -> float:
    if token in BINARY:
        return 15.0
    if token.startswith("\\"):
        name = token[1:]
        known = {**_WORDS, **_WIDE, **_SPACES}
        return float(known.get(name, 8))
    if token in ".,;:!|'":
        return 4.0
    if token in "()[]":
        return 6.0
    return 10.0 if token in "mwMWABDHKNQ" else 7.0


def _closing(row: list[str], opening: int) -> int:
    depth = 0
    for place in range(opening, len(row)):
        depth += {"{": 1, "}": -1}.get(row[place], 0)
        if depth == 0:
            return place
    return len(row)


def _split(row: list[str], separator: str) -> list[list[str]]:
    rows: list[list[str]] = [[]]
    for token in row:
        if token == separator:
            rows.append([])
        else:
            rows[-1].append(token)
    return rows
