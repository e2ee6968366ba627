"""An expression's text as tokens, and what cel-go's lexer says about characters that begin none.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cel.errors import Issue

EOF = "<EOF>"

_PUNCTUATION = (
    *("==", "!=", "<=", "<", ">=", ">", "&&", "||", "[", "]", "{", "}", "(", ")"),
    *(".", ",", "-", "!", "?", ":", "+", "*", "/", "%"),
)
KEYWORDS = ("in", "true", "false", "null")
KINDS = (
    *(EOF, "'=='", "'!='", "'in'", "'<'", "'<='", "'>='", "'>'", "'&&'", "'||'", "'['", "']'", "'{'", "'}'"),
    *("'('", "')'", "'.'", "','", "'-'", "'!'", "'?'", "':'", "'+'", "'*'", "'/'", "'%'", "'true'", "'false'"),
    *("'null'", "NUM_FLOAT", "NUM_INT", "NUM_UINT", "STRING", "BYTES", "IDENTIFIER", "ESC_IDENTIFIER"),
)
"""Every kind of token as error messages name it, in the order they list them."""

_ESCAPE = r"""\\(?:[abfnrtv"'\\?`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})"""
_BEGUN_ESCAPE = r"(?:\\(?:[xX][0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7}|[0-3][0-7]?)?)?"
_STRING = "|".join(
    (
        rf'"""(?:{_ESCAPE}|[^\\])*?"""',
        rf"'''(?:{_ESCAPE}|[^\\])*?'''",
        rf'"(?:{_ESCAPE}|[^\\"\n\r])*"',
        rf"'(?:{_ESCAPE}|[^\\'\n\r])*'",
        r'[rR]"""[\s\S]*?"""',
        r"[rR]'''[\s\S]*?'''",
        r'[rR]"[^"\n\r]*"',
        r"[rR]'[^'\n\r]*'",
    )
)
_TOKEN = re.compile(
    "|".join(
        (
            r"(?P<skipped>[\t \r\n\f]+|//[^\n]*)",
            r"(?P<NUM_FLOAT>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)",
            r"(?P<NUM_UINT>(?:0x[0-9a-fA-F]+|[0-9]+)[uU])",
            r"(?P<NUM_INT>0x[0-9a-fA-F]+|[0-9]+)",
            rf"(?P<BYTES>[bB](?:{_STRING}))",
            rf"(?P<STRING>{_STRING})",
            r"(?P<IDENTIFIER>[A-Za-z_][A-Za-z0-9_]*)",
            r"(?P<ESC_IDENTIFIER>`[A-Za-z0-9_.\-/ ]+`)",
            f"(?P<punctuation>{'|'.join(map(re.escape, _PUNCTUATION))})",
        )
    )
)
_BEGUN = re.compile(
    "|".join(
        (
            rf'"(?:{_ESCAPE}|[^\\"\n\r])*{_BEGUN_ESCAPE}',
            rf"'(?:{_ESCAPE}|[^\\'\n\r])*{_BEGUN_ESCAPE}",
            r"`[A-Za-z0-9_.\-/ ]*",
            "[=&|]",
        )
    )
)
"""What a token could begin with that is not completed."""


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is one of KINDS."""

    kind: str
    text: str
    position: int


def tokenize(source: str) -> tuple[list[Token], list[Issue]]:
    """All tokens, the last of them EOF, and what is wrong with the characters in between."""
    found: list[Token] = []
    issues: list[Issue] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            begun = _BEGUN.match(source, at)
            end = (begun.end() if begun else at) + 1
            message = f"Syntax error: token recognition error at: '{shown(source[at:end])}'"
            issues.append(Issue(at, message))
            at = end
            continue
        kind, text = str(match.lastgroup), match[0]
        if kind == "punctuation" or text in KEYWORDS:
            kind = f"'{text}'"
        if kind != "skipped":
            found.append(Token(kind, text, at))
        at = match.end()
    found.append(Token(EOF, EOF, len(source)))
    return found, issues


def shown(text: str) -> str:
    """Text as messages show it, on one line."""
    return text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


_SIMPLE_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    **{c: c for c in "\"'\\?`"},
}
_ESCAPED = re.compile(_ESCAPE)


def unquote(text: str) -> str | bytes:
    """The value of a STRING or BYTES token.  Raises ValueError for an escape that stands for no character."""
    is_bytes = text[0] in "bB"
    text = text[1:] if is_bytes else text
    raw = text[0] in "rR"
    text = text[1:] if raw else text
    quote = 3 if text[:3] in ('"""', "'''") and len(text) >= 6 else 1
    text = text[quote:-quote].replace("\r\n", "\n").replace("\r", "\n")
    if not is_bytes:
        return text if raw else _ESCAPED.sub(_character, text)
    if raw:
        return text.encode()
    parts, at = bytearray(), 0
    for match in _ESCAPED.finditer(text):
        parts += text[at : match.start()].encode()
        at = match.end()
        kind = match[0][1]
        if kind in "uU":
            raise ValueError("unable to unescape string")
        parts += bytes([_code(match[0])]) if kind in "xX0123" else _SIMPLE_ESCAPES[kind].encode()
    return bytes(parts + text[at:].encode())


def _character(match: re.Match[str]) -> str:
    kind = match[0][1]
    if kind in _SIMPLE_ESCAPES:
        return _SIMPLE_ESCAPES[kind]
    code = _code(match[0])
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError("invalid unicode code point")
    return chr(code)


def _code(escape: str) -> int:
    return int(escape[2:], 16) if escape[1] in "xXuU" else int(escape[1:], 8)
