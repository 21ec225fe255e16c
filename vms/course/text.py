"""The text of an assignment: Markdown, of which only harmless HTML is left."""

from __future__ import annotations

from functools import cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

TAGS = frozenset(
    [
        *("a", "abbr", "blockquote", "br", "code", "dd", "del", "dl", "dt", "em", "h2", "h3"),
        *("h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong", "sub", "sup"),
        *("table", "tbody", "td", "th", "thead", "tr", "ul"),
    ]
)
"""No pictures: they would be fetched from elsewhere, and tell who reads."""
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = frozenset({"http", "https", "mailto"})


def html_of(markdown: str) -> SafeString:
    """Return Markdown as HTML that can do nothing: what is neither text nor in `TAGS` is dropped.

    HTML within the Markdown is shown as it is written. Headings begin below the page's own.
    """
    made = _parser().render(markdown)
    clean = nh3.clean(
        made,
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        url_schemes=set(SCHEMES),
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.core.ruler.push("headings_below", _lower_headings)
    return parser


def _lower_headings(state: object) -> None:
    """Make every heading one level lower: the first is the page's title."""
    for token in getattr(state, "tokens", ()):
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
