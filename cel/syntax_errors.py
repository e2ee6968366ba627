"""What cel-go's parser says about tokens that do not follow the grammar.

Its words are those of ANTLR, which made it: what it expected at a place, what was in the way, what was missing, and so
on behind each error from which it could go on.  So the grammar is here once more, as the network of states that ANTLR
makes of it, and a walk through it that decides, complains and recovers as ANTLR's default strategy does
(https://github.com/antlr/antlr4/blob/master/doc/parser-rules.md, "The Definitive ANTLR 4 Reference", chapter 9).  It is
walked only for expressions that the parser has refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache

from cel.errors import Issue
from cel.grammar import END, ENDS, FOLLOWERS, RULES, State, next_kinds
from cel.tokens import EOF, KINDS, Token, shown

_MOST_RECOVERIES = 30
_FARTHEST = 5000
"""How many tokens are looked ahead at in all: decisions look far ahead in some texts, such as rows of minus signs."""
_KEYWORD_AS_NAME = re.compile(r"no viable alternative at input '.(true|false|null)'")


@dataclass(frozen=True, slots=True)
class _Path:
    """One way to go on from a decision: the choice it began with, where it is, the states to return to, and whether
    it has left the rule of the decision."""

    choice: int
    state: State
    returns: tuple[State, ...]
    left: bool


def _reached(paths: Iterable[_Path]) -> frozenset[_Path]:
    """All that these lead to without another token."""
    found: set[_Path] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        choice, returns, left = path.choice, path.returns, path.left
        if path.state in ENDS:
            if returns:
                waiting.append(_Path(choice, returns[-1], returns[:-1], left))
            else:
                waiting += [_Path(choice, state, (), True) for state in FOLLOWERS.get(path.state, ())]
        for label, target in path.state.edges:
            if label is None:
                waiting.append(_Path(choice, target, returns, left))
            elif isinstance(label, str):
                waiting.append(_Path(choice, RULES[label].begin, (*returns, target), left))
    return frozenset(found)


@lru_cache(maxsize=4096)  # ANTLR remembers them too, as the states of an automaton
def _after(paths: frozenset[_Path], kind: str) -> frozenset[_Path]:
    """What paths lead to by a token of this kind."""
    return _reached(
        _Path(path.choice, target, path.returns, path.left)
        for path in paths
        for label, target in path.state.edges
        if isinstance(label, frozenset) and kind in label
    )


def _conflict(paths: Iterable[_Path]) -> bool:
    """Whether different choices lead to the same everywhere, so that looking further cannot tell them apart."""
    by_place: dict[tuple[State, tuple[State, ...]], set[int]] = {}
    by_state: dict[State, set[int]] = {}
    for path in paths:
        by_place.setdefault((path.state, path.returns), set()).add(path.choice)
        by_state.setdefault(path.state, set()).add(path.choice)
    return any(len(choices) > 1 for choices in by_place.values()) and all(len(each) > 1 for each in by_state.values())


@cache
def _choices(state: State) -> frozenset[_Path]:
    """All ways to go on from a decision."""
    return _reached(_Path(choice, target, (), False) for choice, (_, target) in enumerate(state.edges))


class _Mismatch(Exception):
    """The rule that is being walked cannot go on; `message` says why, about a token."""

    def __init__(self, token: Token, message: str) -> None:
        self.token, self.message = token, message


class _GivenUp(Exception):
    """There are more errors than cel-go reports."""


class _Walk:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.state = State()
        self.callers: list[State] = []
        """Where the rules were called that are being walked."""
        self.recovering = False
        self.recoveries = 0
        self.looked_at = 0
        self.last: tuple[int, set[State]] = (-1, set())
        """Where it recovered last, and in which states."""
        self.issues: list[Issue] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def kind(self) -> str:
        return self.tokens[self.at].kind

    def consume(self) -> None:
        self.at = min(self.at + 1, len(self.tokens) - 1)

    def run(self, rule: str) -> None:
        """Walk a rule, going on behind what is wrong in it."""
        self.callers.append(self.state)
        try:
            RULES[rule].walk(self)
        except _Mismatch as error:
            self.report(error.token, error.message)
            self.recover()
        self.callers.pop()

    def report(self, token: Token, message: str) -> None:
        """Unless the last error is not yet overcome."""
        if self.recovering:
            return
        self.recovering = True
        message = _KEYWORD_AS_NAME.sub(r"mismatched input '\1' expecting IDENTIFIER", message)
        self.issues.append(Issue(token.position, f"Syntax error: {message}"))

    def expected(self, state: State) -> frozenset[str]:
        """The kinds of tokens that could come next, whatever rules end before."""
        following = next_kinds(state)
        found = set(following)
        for caller in reversed(self.callers[1:]):
            if END not in following:
                break
            following = next_kinds(_followed(caller))
            found |= following
        if END in following:
            found.add(EOF)
        return frozenset(found - {END})

    def match(self, kinds: frozenset[str]) -> None:
        if self.kind in kinds:
            self.recovering = False
            self.consume()
            return
        self.attempt()
        if self.drop_one():
            self.consume()
            return
        if self.kind in self.expected(self.state.edges[0][1]):
            self.report(self.token, f"missing {_listing(self.expected(self.state))} at {_quoted(self.token)}")
            return
        raise self.mismatch()

    def mismatch(self) -> _Mismatch:
        expecting = _listing(self.expected(self.state))
        return _Mismatch(self.token, f"mismatched input {_quoted(self.token)} expecting {expecting}")

    def drop_one(self) -> bool:
        """Pass over the token if the one after it is expected."""
        expected = self.expected(self.state)
        if self.tokens[min(self.at + 1, len(self.tokens) - 1)].kind not in expected:
            return False
        self.report(self.token, f"extraneous input {_quoted(self.token)} expecting {_listing(expected)}")
        self.consume()
        self.recovering = False
        return True

    def sync(self, state: State) -> None:
        """Before a decision: is there a token that any choice begins with?"""
        self.state = state
        following = next_kinds(state)
        if self.recovering or END in following or self.kind in following:
            return
        if state.decides != "back":
            if not self.drop_one():
                raise self.mismatch()
            return
        expected = self.expected(state)
        self.report(self.token, f"extraneous input {_quoted(self.token)} expecting {_listing(expected)}")
        self.consume_until(expected | self.resumable())

    def predict(self, state: State) -> int:
        """Which of the state's edges the tokens ahead go on with."""
        paths = _choices(state)
        for ahead in range(self.at, len(self.tokens)):
            token = self.tokens[ahead]
            self.looked_at += 1
            if self.looked_at > _FARTHEST:
                raise _GivenUp
            following = _after(paths, token.kind)
            if not following:
                left = [path.choice for path in paths if path.left or (path.state in ENDS and not path.returns)]
                if left:
                    return min(left)
                between = self.tokens[self.at : ahead + 1]
                raise _Mismatch(token, f"no viable alternative at input {_quoted(*between)}")
            choices = {path.choice for path in following}
            if len(choices) == 1 or _conflict(following):
                return min(choices)
            paths = following
        return min(path.choice for path in paths)

    def attempt(self) -> None:
        if self.recoveries == _MOST_RECOVERIES:
            self.recovering = False
            self.report(self.token, f"error recovery attempt limit exceeded: {_MOST_RECOVERIES}")
            raise _GivenUp
        self.recoveries += 1

    def recover(self) -> None:
        """Pass over tokens until one that a calling rule can go on with; over at least one where it failed before."""
        self.attempt()
        where, states = self.last
        if where == self.at and self.state in states:
            self.consume()
        self.last = (self.at, (states if where == self.at else set()) | {self.state})
        self.consume_until(self.resumable())

    def resumable(self) -> frozenset[str]:
        """What the rules that are being walked can go on with after the rules that they called."""
        found: set[str] = set()
        for caller in self.callers[1:]:
            found |= next_kinds(_followed(caller))
        return frozenset(found - {END})

    def consume_until(self, kinds: frozenset[str]) -> None:
        while self.kind != EOF and self.kind not in kinds:
            self.consume()


def _followed(caller: State) -> State:
    """Where a rule goes on after the one it calls in this state."""
    return caller.edges[0][1]


def _listing(kinds: frozenset[str]) -> str:
    names = sorted(kinds, key=KINDS.index)
    return names[0] if len(names) == 1 else f"{{{', '.join(names)}}}"


def _quoted(*tokens: Token) -> str:
    """The text from the first token to the last, as messages show it."""
    texts: list[str] = []
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.kind == EOF and texts:
            break
        texts.append(token.text)
        if following is not None and following.kind != EOF:
            texts.append(" " * (following.position - token.position - len(token.text)))
    return f"'{shown(''.join(texts))}'"


def syntax_errors(tokens: list[Token]) -> list[Issue]:
    """What is wrong with tokens that do not follow the grammar: at least one thing."""
    walk = _Walk(tokens)
    with suppress(_GivenUp):
        walk.run("start")
    return walk.issues or [Issue(walk.token.position, f"Syntax error: unexpected input {_quoted(walk.token)}")]
