"""Random regexes, and random lines that they may match: small alphabets, so that the ones meet the others."""

from __future__ import annotations

from hypothesis import strategies as st

from logist_core.types.signals import Claim, Rule

# Letters with relatives beyond ASCII, characters of several bytes, and such as engines may fold differently.
WORDS = ("ki", "sk", "isk", "Kis", "k i", "é\u276f", "\u276fk", "ski\u276f", "⠋", "is.", "[k]", "429", "É", "\u017fi")
_ATOMS = (
    "k", "s", ".", " ", "[ks]", "[^k]", "é", "\u276f", r"\s", r"\S", r"\d", r"\w", r"\b", "^", "$", "[⠀-⣿]",
    "[\u276f>→]", r"[\w .-]", r"[^\n]", r"(?=s)", r"(?!k)", r"(?<=k)", "(?:)", r"[[:alpha:]]", r"\x20",
    r"\N{LATIN SMALL LETTER K}",
)  # fmt: skip
_REPEATS = ("?", "*", "+", "{2}", "{0,2}", "{1,3}?", "??", "++", "*?")

_words = st.sampled_from(WORDS).map(
    lambda word: "".join("\\" + c if c in ".[]" else c for c in word),
)


def regexes(*, lines: bool = False) -> st.SearchStrategy[str]:
    """Return regexes of `regex` syntax, most of which have a literal; with `lines` also ones over several lines."""
    atoms = st.one_of(_words, _words, st.sampled_from((*_ATOMS, r"\n", r"[^\n]*\n") if lines else _ATOMS))

    def larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        several = st.lists(parts, min_size=1, max_size=4)
        group = st.sampled_from(("(?:", "(", "(?>", "(?i:", "(?-i:", "(?s:", "(?|"))
        return st.one_of(
            several.map("".join),
            st.builds(lambda g, s: f"{g}{'|'.join(s)})", group, several),
            st.builds(lambda g, s, r: f"{g}{s}){r}", group, parts, st.sampled_from(_REPEATS)),
        )

    bodies = st.recursive(atoms, larger, max_leaves=8)
    return st.builds(lambda lead, body: lead + body, st.sampled_from(("", "", "(?i)", "^", "(?i)^\\s*")), bodies)


@st.composite
def rule_lists(draw: st.DrawFn) -> list[Rule]:
    made = []
    for number in range(draw(st.integers(1, 5))):
        before = draw(st.sampled_from((0, 0, 0, 1, 3)))
        regex = draw(regexes(lines=before > 0))
        made.append(Rule(id=f"any/r{number}", claim=Claim.FAILED, regex=regex, before=before))
    return made


_FRAGMENTS = (
    *(word.encode() for word in WORDS), b"KI", b"SK", b"k", b"s", b"i", "\u017f".encode(), "\u212a".encode(),
    "İ".encode(), b"42",
    b" ", b"  ", b"\t", "\u00a0".encode(), "é".encode(), "É".encode(), "\u276f".encode(), b"\xe2", b"\x9d",
    b"\xaf", b"\xc2",
    b"\x85", b"\xc5", b"\xbf", b"\xff", b"\x1b[31m", b"\x1b[m\x1b[1m", b"\x1b]0;t\x07", b"\x1b]0;k\x1b\\", b"\x1b(B",
    b"\x1b", b"\x1b[", b"\x1bk", b"\x07", b"\x00", b"\x7f", b".", b"[k]", b"\xc2\x85",
)  # fmt: skip
_ENDS = (b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"")
_lines = st.builds(
    lambda parts, end: b"".join(parts) + end, st.lists(st.sampled_from(_FRAGMENTS), max_size=8), st.sampled_from(_ENDS)
)

#: Raw output: lines with escape sequences, control characters, broken UTF-8, any line ends, perhaps a partial one.
RAW_TEXTS = st.lists(_lines, max_size=8).map(b"".join)
