"""Column widths of tables in the PDFs: short columns as wide as their text, numbers right, prose shares the rest."""

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

_LINE = 88
"""Characters of the body font that a line of the PDF holds, one by one with tables in mind."""

_SHORT = 36
"""A column whose longest cell has at most so many characters is never broken."""

_GAP = 3
"""Characters that the space between two columns takes."""


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


def column_spec(columns: list[tuple[int, bool]]) -> str:
    r"""LaTeX's column specification.

    Args:
        columns: per column, characters of its longest cell and whether it holds numbers, set to the right.

    >>> column_spec([(12, False), (6, True)])
    'lr'
    >>> column_spec([(12, False), (200, False)])
    'l\\X{73}{88}'
    >>> column_spec([(36, False), (30, False), (30, False)])
    '\\X{22}{88}ll'
    """
    room = _LINE - _GAP * (len(columns) - 1)
    wide = [length > _SHORT for length, _ in columns]
    if sum(length for length, _ in columns) <= room:
        wide = [False] * len(columns)
    elif not any(wide):
        wide[max(range(len(columns)), key=lambda column: columns[column][0])] = True
    rest = max(room - sum(length for (length, _), broken in zip(columns, wide, strict=True) if not broken), 12)
    prose = sum(length for (length, _), broken in zip(columns, wide, strict=True) if broken)
    spec = ""
    for (length, right), broken in zip(columns, wide, strict=True):
        spec += rf"\X{{{max(1, rest * length // prose)}}}{{{_LINE}}}" if broken else ("r" if right else "l")
    return spec


def _columns(table: nodes.table) -> list[tuple[int, bool]]:
    lengths: list[int] = []
    right: list[bool] = []
    for row in table.findall(nodes.row):
        for column, entry in enumerate(row.findall(nodes.entry)):
            if column == len(lengths):
                lengths.append(0)
                right.append(True)
            lengths[column] = max(lengths[column], len(entry.astext()))
            right[column] &= "text-right" in entry.get("classes", [])
    return list(zip(lengths, right, strict=True))
