"""What cel-go's parser says about tokens that do not follow the grammar."""

from __future__ import annotations

from apiserver.cel.errors import Issue
from apiserver.cel.tokens import Token


def syntax_errors(tokens: list[Token]) -> list[Issue]:
    last = tokens[-1]
    return [Issue(last.position, f"Syntax error: mismatched input '{last.text}'")]
