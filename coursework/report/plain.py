"""Words from outside, such as sentences of a corpus, as words: no markup in a page that prints them."""

import re

_MARKUP = re.compile(r"([\\`*_{}\[\]<>|$#~^&@!])")


def plain(text: str) -> str:
    r"""Markdown that shows the text itself: its signs escaped, line ends as blanks, control characters left out.

    >>> plain("{download}`/etc/passwd` costs $5")
    '\\{download\\}\\`/etc/passwd\\` costs \\$5'
    """
    line = " ".join(text.split())
    return _MARKUP.sub(r"\\\1", "".join(sign for sign in line if sign.isprintable()))
