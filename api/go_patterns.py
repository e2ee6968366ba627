"""Regular expressions as Go's regexp package has them: RE2's.

Its syntax (https://github.com/google/re2/wiki/Syntax) is nearly Python's without look-around and back references, so
that Python can tell what is wrong with one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_TOKEN = re.compile(
    r"\\(?P<escape>p\{\^?\w+\}|P\{\^?\w+\}|[pP]\w|.)|(?P<group>\(\?[^):]{0,2})|\[:(?P<name>\w+):\]", re.S
)
_LOOKS = ("(?=", "(?!", "(?<=", "(?<!", "(?>", "(?#")


def pattern_error(pattern: str) -> str | None:
    """What Go's `regexp.Compile` says about a pattern; None when it is valid."""
    try:
        _check(pattern)
        searcher(pattern)
    except re.error as error:
        return f"error parsing regexp: {error.msg}"
    return None


def searcher(pattern: str) -> Callable[[str], object]:
    """Finds the pattern in a text.  The result is None where it is not.  Raises re.error."""
    search: Callable[[str], object] = compiled(pattern).search
    return search


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """A pattern of RE2, which is found in time linear in the text: one that somebody has thought up could keep
    Python's own engine busy for ever.  Raises re.error."""
    import re2  # few schemas and expressions have patterns

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        text = error.args[0]
        raise re.error(text.decode() if isinstance(text, bytes) else str(text)) from None


def _check(pattern: str) -> None:
    """Raises re.error with Go's words, which RE2 itself does not have."""

    def translated(token: re.Match[str]) -> str:
        text = token[0]
        if text.startswith(_LOOKS):
            shown = next(look for look in _LOOKS if text.startswith(look))
            raise re.error(f"invalid or unsupported Perl syntax: `{shown}`")
        if token["group"] is not None:
            return "(?P<" + text[3:] if text.startswith("(?<") else text
        if token["name"] is not None:
            if token["name"] not in _CLASSES:
                raise re.error(f"invalid character class range: `{text}`")
            return _CLASSES[token["name"]]
        escape = token["escape"]
        if escape == "z":
            return r"\Z"
        if escape[0] in "pP":
            return r"\w" if escape[0] == "p" else r"\W"  # the nearest that Python has
        if escape.isalnum() and escape not in "aAbBdDfnrsStvwWx0":
            raise re.error(f"invalid escape sequence: `{text}`")
        return text

    try:
        re.compile(_TOKEN.sub(translated, pattern), re.ASCII)
    except re.error as error:
        raise re.error(_in_go_words(pattern, error)) from None


def _in_go_words(pattern: str, error: re.error) -> str:
    message, where = error.msg, error.pos or 0
    if "missing ), unterminated subpattern" in message:
        return f"missing closing ): `{pattern}`"
    if "unbalanced parenthesis" in message:
        return f"unexpected ): `{pattern}`"
    if "unterminated character set" in message:
        return f"missing closing ]: `{pattern[where:]}`"
    if "nothing to repeat" in message:
        return f"missing argument to repetition operator: `{pattern[where : where + 1]}`"
    if "multiple repeat" in message:
        return f"invalid nested repetition operator: `{pattern[where - 1 : where + 1]}`"
    if "bad character range" in message:
        return f"invalid character class range: `{message.rpartition(' ')[2]}`"
    if "bad escape (end of pattern)" in message:
        return "trailing backslash at end of expression: ``"
    return message
