"""Label and field selectors: their grammar, their matching and Kubernetes' own error texts.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from api.errors import FieldError, invalid_value
from api.meta_v1 import LabelSelector

_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_LABEL_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_NAME_PART = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LABEL_VALUE_RE, _NAME_PART_RE, _SUBDOMAIN_RE = (
    re.compile(pattern + r"\Z") for pattern in (_LABEL_VALUE, _NAME_PART, _SUBDOMAIN)
)


class SelectorError(ValueError):
    """The text is no selector; the message is what Kubernetes answers."""


# --- labels ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label.  `operator` is one of = == != in notin exists ! gt lt; `values` are sorted."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in" | "=" | "==":
                return value in self.values
            case "notin" | "!=":
                return value not in self.values  # also when the label is missing
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "gt":
                return value is not None and _is_int64(value) and int(value) > int(self.values[0])
            case _:
                return value is not None and _is_int64(value) and int(value) < int(self.values[0])

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(self.values)})"
            case "gt":
                return f"{self.key}>{self.values[0]}"
            case "lt":
                return f"{self.key}<{self.values[0]}"
            case _:
                return f"{self.key}{self.operator}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class LabelMatcher:
    """A parsed label selector: matches labels that meet every requirement.

    `nothing` is the selector of a missing `LabelSelector`: it matches no labels at all.
    """

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    @classmethod
    def parse(cls, text: str) -> LabelMatcher:
        """Read the text form: `app=web,tier in (a,b),!legacy`.  Raises SelectorError."""
        return cls(_by_key(_LabelParser(text).parse())) if text else cls()

    @classmethod
    def from_model(cls, selector: LabelSelector | None) -> LabelMatcher:
        """A selector in an object: None matches nothing, an empty one everything.  Raises SelectorError."""
        if selector is None:
            return cls(nothing=True)
        found = [_requirement(key, "=", [value]) for key, value in selector.matchLabels.items()]
        for expression in selector.matchExpressions:
            operator = _MODEL_OPERATORS.get(expression.operator)
            if operator is None:
                raise SelectorError(f'"{expression.operator}" is not a valid label selector operator')
            found.append(_requirement(expression.key, operator, expression.values))
        return cls(_by_key(found))

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> LabelMatcher:
        """The plain map of Services and ReplicationControllers: every label must be there, none means all objects."""
        return cls(_by_key(Requirement(key, "=", (value,)) for key, value in labels.items()))

    @property
    def empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements and not self.nothing

    def matches(self, labels: Mapping[str, str]) -> bool:
        return not self.nothing and all(requirement.matches(labels) for requirement in self.requirements)

    def equalities(self) -> Iterator[tuple[str, str]]:
        """Labels of which the selector wants one value, with that value."""
        for requirement in self.requirements:
            if len(requirement.values) == 1 and requirement.operator in ("=", "==", "in"):
                yield requirement.key, requirement.values[0]

    def requires(self, key: str) -> str | None:
        """The one value that label must have, if the selector says so."""
        return next((value for name, value in self.equalities() if name == key), None)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


_MODEL_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
_OPERATORS = {"=": "=", "==": "==", "!=": "!=", ">": "gt", "<": "lt", "in": "in", "notin": "notin"}
_WORDS = ("in", "notin")
_SYMBOLS = frozenset({")", "(", ",", "!", "=", "==", "!=", ">", "<"})
_SPECIAL = "=!(),><"
_SPACE = " \t\r\n"


def _by_key(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    return tuple(sorted(requirements, key=lambda requirement: requirement.key))


def _requirement(key: str, operator: str, values: Iterable[str]) -> Requirement:
    """A requirement whose key and values are as labels must be.  Raises SelectorError."""
    wanted = tuple(sorted(set(values)))
    errors = list(_key_errors(key))
    if operator in ("in", "notin") and not wanted:
        errors.append(invalid_value("values", [], "for 'in', 'notin' operators, values set can't be empty"))
    if operator in ("exists", "!") and wanted:
        errors.append(invalid_value("values", list(wanted), "values set must be empty for exists and does not exist"))
    for position, value in enumerate(wanted):
        if operator in ("gt", "lt") and not _is_int64(value):
            why = "for 'Gt', 'Lt' operators, the value must be an integer"
            errors.append(invalid_value(f"values[{position}]", value, why))
    for position, value in enumerate(wanted):
        problems = list(label_value_problems(value))
        if problems:
            errors.append(invalid_value(f"values[{position}][{key}]", value, "; ".join(problems)))
    if errors:
        raise SelectorError(_aggregate(errors))
    return Requirement(key, operator, wanted)


def _key_errors(key: str) -> Iterator[FieldError]:
    problems = list(qualified_name_problems(key))
    if problems:
        yield invalid_value("<nil>", key, "; ".join(problems))


def _aggregate(errors: list[FieldError]) -> str:
    texts = list(dict.fromkeys(map(str, errors)))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _is_int64(text: str) -> bool:
    return _INTEGER.match(text) is not None and -(2**63) <= int(text) < 2**63


def _shape(what: str, examples: Iterable[str], pattern: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{what} (e.g. {shown.rstrip(', ')}, regex used for validation is '{pattern}')"


_ENDS = "and must start and end with an alphanumeric character"
_CHARACTERS = f"alphanumeric characters, '-', '_' or '.', {_ENDS}"
_NAME_EXAMPLES = ("MyName", "my.name", "123-abc")


def label_value_problems(value: str) -> Iterator[str]:
    """What is wrong with a label's value, in Kubernetes' words."""
    if len(value.encode()) > 63:
        yield "must be no more than 63 bytes"
    if not _LABEL_VALUE_RE.match(value):
        what = f"a valid label must be an empty string or consist of {_CHARACTERS}"
        yield _shape(what, ("MyValue", "my_value", "12345"), _LABEL_VALUE)


def qualified_name_problems(key: str) -> Iterator[str]:
    """What is wrong with a label's or annotation's key: `[prefix/]name`, the prefix a DNS subdomain."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        yield (
            _shape(f"a qualified name must consist of {_CHARACTERS}", _NAME_EXAMPLES, _NAME_PART)
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )
        return
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash:
        if len(prefix.encode()) > 253:
            yield "prefix part must be no more than 253 bytes"
        if not _SUBDOMAIN_RE.match(prefix):
            what = (
                "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters,"
                f" '-' or '.', {_ENDS}"
            )
            yield _shape(what, ("example.com",), _SUBDOMAIN)
    if not name:
        yield "name part must be non-empty"
    elif len(name.encode()) > 63:
        yield "name part must be no more than 63 bytes"
    if not _NAME_PART_RE.match(name):
        yield _shape(f"name part must consist of {_CHARACTERS}", _NAME_EXAMPLES, _NAME_PART)


class _LabelParser:
    """Kubernetes' own recursive descent, since what it complains of is part of the API."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def _peek(self) -> tuple[str, str]:
        """Kind and text of the next token; `in` and `notin` are plain names except where an operator is due."""
        kind, text = self._tokens[self._at]
        return ("name" if kind in _WORDS else kind), text

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            kind, text = self._peek()
            if kind == "end":
                return found
            if kind not in ("name", "!"):
                raise SelectorError(f"found '{text}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            kind, text = self._next()
            if kind == "end":
                return found
            if kind != ",":
                raise SelectorError(f"found '{text}', expected: ',' or 'end of string'")
            kind, text = self._peek()
            if kind not in ("name", "!"):
                raise SelectorError(f"found '{text}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        kind, key = self._next()
        absent = kind == "!"
        if absent:
            kind, key = self._next()
        if kind != "name":
            raise SelectorError(f"found '{key}', expected: identifier")
        errors = list(_key_errors(key))
        if errors:
            raise SelectorError(_aggregate(errors))
        if absent:
            return _requirement(key, "!", ())
        if self._peek()[0] in ("end", ","):
            return _requirement(key, "exists", ())
        kind, text = self._tokens[self._at]
        self._next()
        if kind not in _OPERATORS:
            raise SelectorError(f"found '{text}', expected: in, notin, =, ==, !=, gt, lt")
        operator = _OPERATORS[kind]
        return _requirement(key, operator, self._set() if operator in _WORDS else [self._value()])

    def _value(self) -> str:
        if self._peek()[0] in ("end", ","):
            return ""
        kind, text = self._next()
        if kind != "name":
            raise SelectorError(f"found '{text}', expected: identifier")
        return text

    def _set(self) -> set[str]:
        kind, text = self._next()
        if kind != "(":
            raise SelectorError(f"found '{text}' expected: '('")
        kind, text = self._peek()
        if kind == ")":
            self._next()
            return {""}
        if kind not in ("name", ","):
            raise SelectorError(f"found '{text}', expected: ',', ')' or identifier")
        values = self._values()
        self._next()  # the closing parenthesis, which ended the values
        return values

    def _values(self) -> set[str]:
        values: set[str] = set()
        while True:
            kind, text = self._next()
            if kind == "name":
                values.add(text)
                kind, text = self._peek()
                if kind == ")":
                    return values
                if kind != ",":
                    raise SelectorError(f"found '{text}', expected: ',' or ')'")
            elif kind == ",":
                if not values:
                    values.add("")
                if self._peek()[0] == ")":
                    values.add("")
                    return values
                if self._peek()[0] == ",":
                    self._next()
                    values.add("")
            else:
                raise SelectorError(f"found '{text}', expected: ',', or identifier")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Kind and text; kinds are the symbols themselves, in, notin, name, error and, always last, end."""
    position = 0
    while position < len(text):
        start = position
        char = text[position]
        if char in _SPACE:
            position += 1
        elif char in _SPECIAL:
            # The longest run that is a symbol, as in `!=`; in `=)` the second begins the next one.
            position += 1
            while position < len(text) and text[start : position + 1] in _SYMBOLS:
                position += 1
            yield text[start:position], text[start:position]
        else:
            while position < len(text) and text[position] not in _SPECIAL + _SPACE:
                position += 1
            word = text[start:position]
            yield (word if word in _WORDS else "name"), word
    yield "end", ""


# --- fields ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One condition on one field; a field the object does not have counts as empty."""

    field: str
    value: str
    negated: bool = False

    def matches(self, fields: Mapping[str, str]) -> bool:
        return (fields.get(self.field, "") == self.value) is not self.negated

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        return f"{self.field}{'!=' if self.negated else '='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldMatcher:
    """A parsed field selector: matches objects that meet every term."""

    terms: tuple[FieldTerm, ...] = field(default=())

    @classmethod
    def parse(cls, text: str) -> FieldMatcher:
        """Read `spec.nodeName=n1,status.phase!=Failed`; a backslash escapes `,`, `=` and itself.

        Raises SelectorError.
        """
        terms = []
        for part in sorted(_split_terms(text)):
            if not part:
                continue
            found = re.search(r"!=|==|=", part)
            if found is None:
                raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
            terms.append(FieldTerm(part[: found.start()], _unescape(part[found.end() :]), found.group() == "!="))
        return cls(tuple(terms))

    @property
    def empty(self) -> bool:
        """Whether it matches everything."""
        return not self.terms

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all(term.matches(fields) for term in self.terms)

    def requires(self, name: str) -> str | None:
        """The one value that field must have, if the selector says so."""
        for term in self.terms:
            if term.field == name and not term.negated:
                return term.value
        return None

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))


def _split_terms(text: str) -> list[str]:
    """At the commas that no backslash escapes."""
    return re.findall(r"(?:\\.|[^\\,]|\\\Z)+", text, re.DOTALL)


def _unescape(value: str) -> str:
    plain = []
    characters = iter(value)
    for char in characters:
        if char == "\\":
            escaped = next(characters, "")
            if escaped not in ("\\", ",", "="):
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{escaped}")
            plain.append(escaped)
        elif char == "=":
            # Kubernetes names the character by its number.
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            plain.append(char)
    return "".join(plain)
