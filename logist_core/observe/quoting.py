"""Tells a message from talk about a message: source code, diffs, search results, lists, tables, quotations, templates.

Agents print all of these, full of the texts that the dictionary knows. Invariant: pure, linear in the line, and on the
side of silence: a line that looks like a quotation claims nothing.
"""

from __future__ import annotations

import re

_BOX = " \t│┃▌▏⎿└├╰╭─"

_KEYWORDS = (
    "if|elif|else if|while|for|switch|match|return|assert|raise|throw|throws|await|const|let|var|val|def|fn|func"
    "|function|class|struct|enum|impl|pub|export|import|from|use|package|interface|type|except|catch|case|with|yield|async"
    "|public|private|protected|static|new|echo|printf?|println!?|eprintln!?|console\\.\\w+|logger?\\.\\w+"
    "|it|describe|expect|grep|rg|sed|awk|curl|alias|set"
)
_PLACEHOLDER = r"(?<![\w{])\{(?:[a-z_][\w.]{0,40}(?:![rs])?(?::[^{}\"]{0,12})?)?\}"

#: Kind of talk -> how its lines begin, borders and indentation taken away.
_BEGINNINGS = tuple(
    (kind, re.compile("|".join(forms)))
    for kind, forms in {
        "a diff": (
            r"[-+]{3} [ab]?/",
            r"@@ -\d",
            r"diff --git |index [0-9a-f]{7,}\.\.",
            r"[-+](?=[\w\"'`{}/#\t])|[-+] {2,}",
        ),
        "a search result": (
            r"(?:[\w@.-]*[/\\])*[\w@.-]+\.[A-Za-z]\w{0,9}(?:[:-]\d+){1,2}[:-]",
            r"(?:[\w@.-]+/)+[\w@.-]+:(?!:)\s*\S",
        ),
        "a numbered line of a file": (r"\d{1,6}(?:→|\s*[|│]\s|\t)\s*\S",),
        "a list item": (r"[-*+]\s+\S", r"\d{1,3}[.)](?=\s+[A-Z`\"'*_\[])"),
        "a heading": (r"#{1,6}\s",),
        "a table row": (r"\|.*\|",),
        "a quotation": (r">+\s*\w",),
        "a comment": (r"//|/\*|\*\s|<!--|--\s|;;|\"\"\"|'''|#(?!\d)",),
        "a commit": (
            r"(?:commit\s+)?[0-9a-f]{7,40}\b(?:\s+\([^)]*\))?\s+\S",
            r"(?:feat|fix|docs|chore|refactor|test|perf|style|build|ci)(?:\([\w./-]+\))?!?:\s",
        ),
        "a test's line": (
            r"(?:PASS|FAIL|ok|not ok|PASSED|FAILED|XFAIL|SKIPPED)\b\s+\S+",
            r"--- (?:PASS|FAIL|SKIP):|test\s+\S+ \.\.\. ",
            r"\S+::\S+|test_\w+",
            r"[✓✔✗✘×√]\s.*(?:\(\d+\s?m?s\)|\b(?:should|when|returns?|handles?|throws?|retries)\b)",
        ),
        "source code": (
            rf"(?:{_KEYWORDS})\b(?:\s*\(|\s*\{{|\s+[\w$.'\"`({{\[!~-]*.*[(){{}}=;:]\s*$|\s+-)",
            r"[\w.$\[\]'\"-]{1,60}\s*(?::\s*[\w\[\]|., ]{1,40})?\s*(?:[-+*/|&]?=(?![=>])|=>|:=|\+=)\s*\S",
            r"[\w.$]{1,60}!?\((?=[\"'`f])",
            r"@\w|#\[|\}|\)\s*[{;,]?$|\]\s*[;,]?$",
            r"[\w.]+,$|\w+ as \w+,?$",
            r"(?!error|fatal|warning)[a-z_]\w*: (?:[A-Z][a-z]+){2,}\w*(?:\[.*\])?(?: \| \w+)*,?$",
            r"[a-z_]\w*: (?:bool|int|str|float|dict|list|tuple|Literal|Optional|Final|Any)\b",
        ),
        "documentation": (
            r"[\w.]*(?:Error|Exception)s?: (?:If|When|Whether|Raised|For|On)\b",
            r":(?:param|raises?|returns?|type)\b",
        ),
        "a quoted string": (r"[rbuf]{0,2}[\"'`“]",),
    }.items()
)
#: The same for anything in the line.
_INSIDE = (
    ("a template", re.compile(rf"\$\{{|\{{\{{|%\(\w+\)[sd]|%[sdv](?![\w%])|<%[-=]?|{_PLACEHOLDER}")),
    ("source code", re.compile(r"[!=]==|\|\||&&|\s=>\s|\)\s*\{\s*$|[\"'`)]\);$|[)\"'`];\s*$")),
)


def quoted_as(text: str, start: int, end: int) -> str | None:
    """Return what kind of talk the match `text[start:end]` is part of (`a diff`, `source code` …), or None.

    Args:
        text: One cleaned line, or several of which the last is the one that matters.
        start: Where the match begins.
        end: Where it ends.
    """
    first = text.rfind("\n", 0, end) + 1
    line = text[first:]
    bare = line.lstrip(_BOX)
    for kind, beginning in _BEGINNINGS:
        if beginning.match(bare):
            return kind
    for kind, anywhere in _INSIDE:
        if anywhere.search(line):
            return kind
    return _within_quotes(line, max(start - first, 0), end - first)


def _within_quotes(line: str, start: int, end: int) -> str | None:
    """A match that begins inside of a string that is closed after it is a quoted one."""
    at = start + len(line[start:end]) - len(line[start:end].lstrip(_BOX))
    for quote in ('"', "`", "“"):
        closing = "”" if quote == "“" else quote
        before = line.count(quote, 0, at)
        if (before % 2 if quote == closing else before > line.count(closing, 0, at)) and closing in line[at:]:
            return "a quoted string"
    return None
