"""The grammar of CEL as ANTLR makes a network of states of it, for what it says about errors.

https://github.com/google/cel-go/blob/master/parser/gen/CEL.g4
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from cel.tokens import EOF

END = "ε"
"""In a set of kinds: the rule can end there."""


class Walk(Protocol):
    """A way through the grammar by the tokens that are there."""

    state: State

    @property
    def kind(self) -> str:
        """Of the token to come."""

    def match(self, kinds: frozenset[str]) -> None:
        """Take a token of these kinds."""

    def run(self, rule: str) -> None:
        """Walk through a rule."""

    def sync(self, state: State) -> None:
        """Before a decision: make sure that some choice can begin."""

    def predict(self, state: State) -> int:
        """Decide which of the state's edges to go on with."""


@dataclass(eq=False, slots=True)
class State:
    """A place between tokens.  `decides` tells the places apart where the walk looks ahead: "block", "loop", "back"."""

    decides: str = ""
    edges: list[tuple[frozenset[str] | str | None, State]] = field(default_factory=list)
    """To which state leads what: kinds of tokens, a rule by its name, or nothing."""


FOLLOWERS: dict[State, list[State]] = {}
"""By the state that ends a rule: where the rules that call it go on."""


class _Element:
    """A part of a rule: `begin` is its first state, and it ends in the state that it is linked to."""

    begin: State

    def link(self, end: State) -> None:
        raise NotImplementedError

    def walk(self, parser: Walk) -> None:
        raise NotImplementedError


class _Tok(_Element):
    def __init__(self, *kinds: str) -> None:
        self.begin = State()
        self.kinds = frozenset(kinds)

    def link(self, end: State) -> None:
        self.begin.edges.append((self.kinds, end))

    def walk(self, parser: Walk) -> None:
        parser.state = self.begin
        parser.match(self.kinds)


class _Rule(_Element):
    def __init__(self, name: str) -> None:
        self.begin = State()
        self.name = name

    def link(self, end: State) -> None:
        self.begin.edges.append((self.name, end))

    def walk(self, parser: Walk) -> None:
        parser.state = self.begin
        parser.run(self.name)


class _Seq(_Element):
    def __init__(self, *parts: _Element) -> None:
        self.parts = parts
        self.begin = parts[0].begin

    def link(self, end: State) -> None:
        for part, following in zip(self.parts, self.parts[1:], strict=False):
            part.link(following.begin)
        self.parts[-1].link(end)

    def walk(self, parser: Walk) -> None:
        for part in self.parts:
            part.walk(parser)


class _Alt(_Element):
    def __init__(self, *choices: _Element) -> None:
        self.begin = State("block")
        self.choices = choices

    def link(self, end: State) -> None:
        for choice in self.choices:
            self.begin.edges.append((None, choice.begin))
            choice.link(end)

    def walk(self, parser: Walk) -> None:
        parser.sync(self.begin)
        self.choices[parser.predict(self.begin)].walk(parser)


class _Opt(_Element):
    def __init__(self, *parts: _Element) -> None:
        self.begin = State("block")
        self.body = _Seq(*parts)

    def link(self, end: State) -> None:
        self.body.link(end)
        self.begin.edges += [(None, self.body.begin), (None, end)]

    def walk(self, parser: Walk) -> None:
        parser.sync(self.begin)
        if parser.kind in next_kinds(self.body.begin):
            self.body.walk(parser)


class _Star(_Element):
    """Repeated, or not there.  `far`: one token does not tell whether it goes on."""

    def __init__(self, body: _Element, far: bool = False) -> None:
        self.begin, self.back = State("loop"), State("back")
        self.body, self.far = body, far

    def link(self, end: State) -> None:
        self.body.link(self.back)
        self.back.edges.append((None, self.begin))
        self.begin.edges += [(None, self.body.begin), (None, end)]

    def walk(self, parser: Walk) -> None:
        parser.sync(self.begin)
        while parser.predict(self.begin) == 0 if self.far else parser.kind in next_kinds(self.body.begin):
            self.body.walk(parser)
            parser.sync(self.back)


class _Plus(_Element):
    def __init__(self, body: _Element, far: bool = False) -> None:
        self.begin, self.back = State("block"), State("back")
        self.body, self.far = body, far

    def link(self, end: State) -> None:
        self.begin.edges.append((None, self.body.begin))
        self.body.link(self.back)
        self.back.edges += [(None, self.begin), (None, end)]

    def walk(self, parser: Walk) -> None:
        parser.sync(self.begin)
        while True:
            self.body.walk(parser)
            parser.sync(self.back)
            goes_on = parser.predict(self.back) == 0 if self.far else parser.kind in next_kinds(self.body.begin)
            if not goes_on:
                return


def _listed(*parts: _Element, far: bool) -> _Element:
    """Parts, and the same again after commas."""
    return _Seq(*parts, _Star(_Seq(_Tok("','"), *_copies(parts)), far))


def _copies(parts: Iterable[_Element]) -> Iterator[_Element]:
    for part in parts:
        yield _Rule(part.name) if isinstance(part, _Rule) else _Tok("':'")


_RELATIONS = ("'<'", "'<='", "'>='", "'>'", "'=='", "'!='", "'in'")
RULES: dict[str, _Element] = {
    "start": _Seq(_Rule("expr"), _Tok(EOF)),
    "expr": _Seq(_Rule("or"), _Opt(_Tok("'?'"), _Rule("or"), _Tok("':'"), _Rule("expr"))),
    "or": _Seq(_Rule("and"), _Star(_Seq(_Tok("'||'"), _Rule("and")))),
    "and": _Seq(_Rule("relation"), _Star(_Seq(_Tok("'&&'"), _Rule("relation")))),
    "relation": _Seq(_Rule("calc"), _Star(_Seq(_Tok(*_RELATIONS), _Rule("relation")), far=True)),
    "calc": _Seq(
        _Rule("unary"),
        _Star(_Alt(_Seq(_Tok("'*'", "'/'", "'%'"), _Rule("calc")), _Seq(_Tok("'+'", "'-'"), _Rule("calc"))), far=True),
    ),
    "unary": _Alt(
        _Rule("member"),
        _Seq(_Plus(_Tok("'!'")), _Rule("member")),
        _Seq(_Plus(_Tok("'-'"), far=True), _Rule("member")),
    ),
    "member": _Seq(
        _Rule("primary"),
        _Star(
            _Alt(
                _Seq(_Tok("'.'"), _Opt(_Tok("'?'")), _Rule("name")),
                _Seq(_Tok("'.'"), _Tok("IDENTIFIER"), _Tok("'('"), _Opt(_Rule("arguments")), _Tok("')'")),
                _Seq(_Tok("'['"), _Opt(_Tok("'?'")), _Rule("expr"), _Tok("']'")),
            ),
            far=True,
        ),
    ),
    "primary": _Alt(
        _Seq(_Opt(_Tok("'.'")), _Tok("IDENTIFIER")),
        _Seq(_Opt(_Tok("'.'")), _Tok("IDENTIFIER"), _Tok("'('"), _Opt(_Rule("arguments")), _Tok("')'")),
        _Seq(_Tok("'('"), _Rule("expr"), _Tok("')'")),
        _Seq(_Tok("'['"), _Opt(_Rule("elements")), _Opt(_Tok("','")), _Tok("']'")),
        _Seq(_Tok("'{'"), _Opt(_Rule("entries")), _Opt(_Tok("','")), _Tok("'}'")),
        _Seq(
            _Opt(_Tok("'.'")),
            _Tok("IDENTIFIER"),
            _Star(_Seq(_Tok("'.'"), _Tok("IDENTIFIER"))),
            _Tok("'{'"),
            _Opt(_Rule("fields")),
            _Opt(_Tok("','")),
            _Tok("'}'"),
        ),
        _Rule("literal"),
    ),
    "arguments": _listed(_Rule("expr"), far=False),
    "elements": _listed(_Rule("element"), far=True),
    "fields": _listed(_Rule("field"), _Tok("':'"), _Rule("expr"), far=True),
    "field": _Seq(_Opt(_Tok("'?'")), _Rule("name")),
    "entries": _listed(_Rule("element"), _Tok("':'"), _Rule("expr"), far=True),
    "name": _Alt(_Tok("IDENTIFIER"), _Tok("ESC_IDENTIFIER")),
    "element": _Seq(_Opt(_Tok("'?'")), _Rule("expr")),
    "literal": _Alt(
        _Seq(_Opt(_Tok("'-'")), _Tok("NUM_INT")),
        _Tok("NUM_UINT"),
        _Seq(_Opt(_Tok("'-'")), _Tok("NUM_FLOAT")),
        _Tok("STRING"),
        _Tok("BYTES"),
        _Tok("'true'"),
        _Tok("'false'"),
        _Tok("'null'"),
    ),
}


def _build() -> frozenset[State]:
    """Link the states of all rules.  Returns those that end a rule."""
    ends = {name: State() for name in RULES}
    for name, rule in RULES.items():
        rule.link(ends[name])
    seen: set[State] = set()
    waiting = [rule.begin for rule in RULES.values()]
    while waiting:
        state = waiting.pop()
        if state in seen:
            continue
        seen.add(state)
        for label, target in state.edges:
            if isinstance(label, str):
                FOLLOWERS.setdefault(ends[label], []).append(target)
            waiting.append(target)
    return frozenset(ends.values())


ENDS = _build()


@cache
def next_kinds(state: State) -> frozenset[str]:
    """The kinds of tokens that can come next within the rule, with END where it can end.  No rule can be empty."""
    found: set[str] = set()
    seen: set[State] = set()
    waiting = [state]
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        if at in ENDS:
            found.add(END)
        for label, target in at.edges:
            if isinstance(label, frozenset):
                found |= label
            else:
                waiting.append(target if label is None else RULES[label].begin)
    return frozenset(found)
