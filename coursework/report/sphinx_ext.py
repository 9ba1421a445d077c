"""Sphinx extension of the book: a PDF per part that stands on its own, and HTML that needs no network.

A PDF cannot unfold a hidden cell, follow a link into another file, or borrow another page's bibliography.
What the HTML leaves to the reader's click is settled here before LaTeX sees it. The parts are named once, in
`_config.yml` under `pdf_parts`: a list of `{doc, title}`, each `doc` a page of the table of contents that
introduces its part and becomes `<doc>.pdf`. In both formats negative numbers get a minus sign.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import docname_join, logging
from sphinx.util.docutils import SphinxRole

from coursework.report.latex_tables import SizeTables

_log = logging.getLogger(__name__)

_THEME = "howto"  # article-like: no blank pages, no chapter pages
_CDN_EXTENSIONS = ("sphinx_thebe", "sphinx_comments")
_HIDDEN = {"tag_hide-input": "cell_input", "tag_hide-output": "cell_output"}
_ELSEWHERE = "HTML book"
_STATUSES = {"proved": "proved", "checked": "checked numerically", "argued": "argued"}


def set_parts(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """One LaTeX document per entry of `pdf_parts`.

    Set when reading starts and not in the configuration: Jupyter Book 1 rewrites `latex_documents` just
    before that, and fails on more than one entry.
    """
    if app.builder.name == "latex":
        parts = app.config.pdf_parts
        app.config.latex_documents = [
            (part["doc"], f"{part['doc']}.tex", part["title"], app.config.author, _THEME) for part in parts
        ]


def set_date_line(app: Sphinx, config: Config) -> None:
    """On the title page, in the place of a date: the profiles that the executed pages were run in."""
    if not config.today:
        profiles = sorted(set(_profiles(Path(app.srcdir), [part["doc"] for part in config.pdf_parts])))
        config.today = f"profile {', '.join(profiles)}" if profiles else "not executed"


def drop_cdn_scripts(app: Sphinx, config: Config) -> None:
    """Unhook the extensions of Jupyter Book that name scripts on the network. Nothing here uses them."""
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if listener.handler.__module__.split(".")[0] in _CDN_EXTENSIONS:
                app.disconnect(listener.id)


class StatusRole(SphinxRole):
    """`{status}`proved``: on what a sentence rests, in the words that derivations use for their steps."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The mark; another word than those of `_STATUSES` is an error."""
        if self.text not in _STATUSES:
            message = self.inliner.reporter.error(
                f"status {self.text!r}: use one of {', '.join(_STATUSES)}.", line=self.lineno
            )
            return [], [message]
        return [nodes.inline(self.rawtext, _STATUSES[self.text], classes=[f"status-{self.text}"])], []


class HideInPdf(SphinxPostTransform):
    """Leaves out of the PDFs what the HTML shows only on a click, and papermill's injected cell."""

    default_priority = 400
    formats = ("latex",)

    def run(self, **kwargs: object) -> None:
        """Drop the hidden halves of every cell."""
        for cell in list(self.document.findall(nodes.container)):
            classes = set(cell.get("classes", []))
            if classes & {"tag_hide-cell", "tag_injected-parameters"}:
                cell.parent.remove(cell)
                continue
            hidden = {half for tag, half in _HIDDEN.items() if tag in classes}
            for half in list(cell.children):
                if isinstance(half, nodes.container) and hidden & set(half.get("classes", [])):
                    cell.remove(half)


class MinusSigns(SphinxPostTransform):
    """Sets a minus sign before negative numbers, where programs print a hyphen; code and mathematics stay."""

    default_priority = 900  # once glued numbers are in their places

    def run(self, **kwargs: object) -> None:
        """Replace the hyphens of text nodes."""
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, _AS_WRITTEN) and (signed := with_minus_signs(text)) != text:
                text.parent.replace(text, nodes.Text(signed))


_AS_WRITTEN = (nodes.FixedTextElement, nodes.literal, nodes.math, nodes.math_block, nodes.raw)
_HYPHEN_OF_NUMBER = re.compile(r"(?<![^\s(\[±×])-(?=\.?\d)")


def with_minus_signs(text: str) -> str:
    """The text with a minus sign for a hyphen that starts a number.

    >>> with_minus_signs("-0.2 [-0.3, +0.1], 2e-3, 512-256, k-5")
    '−0.2 [−0.3, +0.1], 2e-3, 512-256, k-5'
    """
    return _HYPHEN_OF_NUMBER.sub("−", text)


class CrossPartRefs(SphinxPostTransform):
    """Names a target that lies in another file by its title, where LaTeX would print a raw label or "??".

    A reference that is nothing but a number, `{eq}` and `{numref}`, cannot be put in words: it is a warning.
    """

    default_priority = 4  # the LaTeX builder resolves equations at 5, Sphinx everything else at 10
    formats = ("latex",)

    def run(self, **kwargs: object) -> None:
        """Replace every reference that leaves this PDF."""
        here = _documents(self.app)
        for node in list(self.document.findall(addnodes.pending_xref)):
            target = self._target(node)
            if target is None or target[0] in here:
                continue
            docname, title = target
            if title is None:
                title = node["reftarget"]
                _log.warning(
                    "%s %r points into another PDF, with numbers of its own: refer to the section with {ref}",
                    node["reftype"],
                    title,
                    location=node,
                )
            node.replace_self(
                nodes.inline("", "", nodes.emphasis("", title), nodes.Text(f" ({self._part_of(docname)})"))
            )

    def _target(self, node: addnodes.pending_xref) -> tuple[str, str | None] | None:
        """The page and the words for the link; no words for a bare number; None for what is not ours."""
        kind, name = node.get("reftype"), node["reftarget"]
        std, maths = self.env.domains["std"], self.env.domains["math"]
        words = node.astext() if node.get("refexplicit") else None
        if kind in {"ref", "myst"} and name in std.labels:
            docname, _, title = std.labels[name]
            return docname, words or title
        if kind in {"ref", "numref", "myst"} and name in std.anonlabels:
            return std.anonlabels[name][0], words if kind != "numref" else None
        if kind == "eq" and name in maths.equations:
            return maths.equations[name][0], None
        if kind in {"doc", "myst"}:
            for docname in (name, docname_join(node.get("refdoc", ""), name)):
                if docname in self.env.titles:
                    return docname, words or self.env.titles[docname].astext()
        return None

    def _part_of(self, docname: str) -> str:
        for part in self.config.pdf_parts:
            if docname in _pages_of(self.env, part["doc"]):
                return part["title"]
        return _ELSEWHERE


class PartBibliography(SphinxPostTransform):
    """Gives each PDF the entries of the book's bibliography that it cites.

    The HTML has one page of references. Its entries are carried to the end of every part; `PruneBibliography`
    then drops those that nothing in the part points at.
    """

    default_priority = 3  # before sphinxcontrib-bibtex fills its placeholder, at 5
    formats = ("latex",)

    def run(self, **kwargs: object) -> None:
        """Append the placeholder of the references page to the assembled part."""
        docname = self.config.pdf_references
        here = _documents(self.app)
        if not docname or docname not in self.env.found_docs or docname in here:
            return
        for bibliography in self.env.domains["cite"].bibliographies.values():  # type: ignore[attr-defined]
            for entry in bibliography.citation_nodes.values():
                entry.clear()  # filled again for every PDF, and the nodes are shared
        for placeholder in self.env.get_doctree(docname).findall(lambda node: node.tagname == "bibliography"):
            self.document += placeholder.deepcopy()
        here.add(docname)


class PruneBibliography(SphinxPostTransform):
    """Drops from a PDF the references that it does not cite."""

    default_priority = 20  # references are resolved at 10, citations gathered at 750
    formats = ("latex",)

    def run(self, **kwargs: object) -> None:
        """Keep the cited entries."""
        link = re.compile(rf"\\hyperlink{{cite\.{re.escape(self.config.pdf_references)}:(.+?)}}")
        raw = (node.rawsource for node in self.document.findall(lambda node: node.tagname == "raw_latex"))
        cited = {name for source in raw for name in link.findall(source)}
        for entry in list(self.document.findall(nodes.citation)):
            if entry.get("docname") == self.config.pdf_references and not cited & set(entry["ids"]):
                entry.parent.remove(entry)


def _documents(app: Sphinx) -> set[str]:
    """Pages of the PDF that the LaTeX builder is putting together."""
    return app.builder.docnames  # type: ignore[attr-defined]


def _profiles(book: Path, parts: list[str]) -> Iterator[str]:
    """Profiles recorded in the executed notebooks of the book's parts."""
    for part in parts:
        for path in sorted((book / part).glob("*.ipynb")):
            metadata = json.loads(path.read_text(encoding="utf-8")).get("metadata", {})
            if profile := metadata.get("coursework", {}).get("profile"):
                yield profile


def _pages_of(env: BuildEnvironment, docname: str) -> set[str]:
    """A part's page and all pages below it."""
    seen: set[str] = set()
    todo = [docname]
    while todo:
        page = todo.pop()
        if page not in seen:
            seen.add(page)
            todo.extend(env.toctree_includes.get(page, []))
    return seen


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_config_value("pdf_parts", [], "env", list)
    app.add_config_value("pdf_references", "references", "env", str)
    app.add_role("status", StatusRole())
    app.connect("config-inited", set_date_line)
    app.connect("config-inited", drop_cdn_scripts)
    app.connect("env-before-read-docs", set_parts)
    for transform in (HideInPdf, MinusSigns, CrossPartRefs, PartBibliography, PruneBibliography, SizeTables):
        app.add_post_transform(transform)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
