"""The parts of a self-contained HTML page: no script, no network, no markup from data. Pure."""

from collections.abc import Iterable, Sequence
from html import escape

LONGEST = 300
STYLE = """
:root{--ink:#1b1f24;--dim:#59636e;--rule:#d1d9e0;--paper:#fff;--a:#0969da;--b:#8250df;--c:#bf8700;
--bad:#cf222e;--ahead:#1a7f37}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--rule:#3d444d;--paper:#0d1117;
--a:#4493f8;--b:#ab7df8;--c:#d29922;--bad:#f85149;--ahead:#3fb950}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60em;
margin:2em auto;padding:0 1em}h1{font-size:1.6em}
h2{margin-top:2em;border-bottom:1px solid var(--rule)}
table{border-collapse:collapse;width:100%;font-size:.9em}th,td{text-align:left;padding:.25em .6em;
border-bottom:1px solid var(--rule);vertical-align:top}td.n{text-align:right;font-variant-numeric:
tabular-nums}figure{margin:1em 0}svg{width:100%;height:auto}figcaption{font-size:.85em}
figcaption span{margin-right:1.2em}figcaption span::before{content:"\\25CF ";color:currentColor}
.none,.dim{color:var(--dim)}.bad{color:var(--bad);font-weight:600}
svg polyline{fill:none;stroke-width:2}svg polygon{opacity:.14;stroke:none}
svg .tick,svg text.mark{font-size:11px;fill:var(--dim)}svg .grid{stroke:var(--rule);stroke-width:.6}
svg line.mark{stroke:var(--dim);stroke-dasharray:2 3}svg line.limit{stroke:var(--bad);
stroke-dasharray:6 4;stroke-width:1.4}span.limit{color:var(--bad)}
polyline.main{stroke:var(--a)}polygon.main,circle.main{fill:var(--a)}span.main{color:var(--a)}
polyline.second{stroke:var(--b);stroke-dasharray:5 3}polygon.second,circle.second{fill:var(--b)}
span.second{color:var(--b)}polyline.third{stroke:var(--c)}polygon.third,circle.third{fill:var(--c)}
span.third{color:var(--c)}polyline.ahead{stroke:var(--ahead);stroke-dasharray:3 3}
polygon.ahead,circle.ahead{fill:var(--ahead)}span.ahead{color:var(--ahead)}
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page."""
    # The policy forbids everything but this page's own style: an archive is safe to open.
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def section(title: str, body: str) -> str:
    """Return a part of a page under its heading."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> str:
    """Return a table of texts; without rows, why it is empty."""
    if not rows:
        return f'<p class="none">{escape(empty)}</p>'
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(f'<td>{text(c)}</td>' for c in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>"


def text(text: str | None) -> str:
    """Return text on one line of HTML: no markup, no control characters, bounded."""
    plain = "".join(c if c.isprintable() else " " for c in (text or "")[:LONGEST])
    return escape(plain)
