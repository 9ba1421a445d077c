"""Column widths of tables in the PDFs: short columns as wide as their text, numbers right, prose shares the rest."""

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

_LINE = 47.0
"""Width of the PDF's text in ems of its font."""

_GAP = 1.1
"""Ems of space that a column adds to its text."""

_SHORT = 17.0
"""A column of text no wider than this is broken only if there is no wider one and the line is too short for all."""

_NARROW, _WIDE = set(" .,;:'|!()[]ijlt-"), set("mwMW±—×@%")
"""Letters of about 0.25 and 0.75 em; capitals have 0.65, all others 0.5."""


class SizeTables(SphinxPostTransform):
    """Gives every table of a PDF its column specification.

    Left to itself LaTeX shares the line out by each column's longest cell, which breaks a column of names beside a
    column of sentences.
    """

    default_priority = 450
    formats = ("latex",)

    def run(self, **kwargs: object) -> None:
        """Put a specification before each table that has none."""
        for table in list(self.document.findall(nodes.table)):
            place = table.parent.index(table)
            before = table.parent[place - 1] if place else None
            if not isinstance(before, addnodes.tabular_col_spec):
                table.parent.insert(place, addnodes.tabular_col_spec(spec=column_spec(_columns(table))))


def column_spec(columns: list[tuple[float, bool]]) -> str:
    r"""LaTeX's column specification; `\Z{n}`, which `_config.yml` defines, is n hundredths of the line, set ragged.

    Args:
        columns: per column, ems of its widest cell and whether it holds numbers, set to the right.

    >>> column_spec([(12.0, False), (6.0, True)])
    'lr'
    >>> column_spec([(8.0, False), (90.0, False)])
    'l\\Z{78}'
    >>> column_spec([(17.0, False), (16.0, False), (15.0, False)])
    '\\Z{27}ll'
    """
    room = _LINE - _GAP * len(columns)
    wide = [width > _SHORT for width, _ in columns]
    if sum(width for width, _ in columns) <= room:
        wide = [False] * len(columns)
    elif not any(wide):
        wide[max(range(len(columns)), key=lambda column: (not columns[column][1], columns[column][0]))] = True
    rest = max(room - sum(width for (width, _), broken in zip(columns, wide, strict=True) if not broken), 6)
    prose = sum(width for (width, _), broken in zip(columns, wide, strict=True) if broken)
    spec = ""
    for (width, right), broken in zip(columns, wide, strict=True):
        share = int(100 * rest * width / prose / _LINE) if broken else 0
        spec += rf"\Z{{{max(1, share)}}}" if broken else ("r" if right else "l")
    return spec


def text_width(text: str) -> float:
    """About how many ems a line of text takes.

    >>> text_width("0.25"), text_width("MSE")
    (1.75, 2.05)
    """
    ems = [0.25 if c in _NARROW else 0.75 if c in _WIDE else 0.65 if c.isupper() else 0.5 for c in text]
    return round(sum(ems), 3)


def _columns(table: nodes.table) -> list[tuple[float, bool]]:
    widths: list[float] = []
    right: list[bool] = []
    for row in table.findall(nodes.row):
        for column, entry in enumerate(row.findall(nodes.entry)):
            if column == len(widths):
                widths.append(0.0)
                right.append(True)
            widths[column] = max(widths[column], text_width(entry.astext()))
            right[column] &= "text-right" in entry.get("classes", [])
    return list(zip(widths, right, strict=True))
