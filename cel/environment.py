"""What expressions of one kind may use: variables with their types, functions and types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from cel.checker import Checker
from cel.errors import CompileError, EvaluationError, InstantiationError, Issue
from cel.functions import Library, joined
from cel.libraries import KUBERNETES
from cel.libraries.formatting import format_issues
from cel.parser import TOO_DEEP, TooDeep, parse
from cel.program import Program, plan
from cel.syntax import Call, Expr, ListExpr, Literal, MapExpr, walk
from cel.types import Type, unwrap_optional


class Environment:
    """Compiles expressions that use `variables` and the functions of `libraries`.

    `type_named` knows types that expressions can name besides those that the libraries bring; with `bindings` there is
    the macro `cel.bind`.
    """

    def __init__(
        self,
        variables: Mapping[str, Type],
        libraries: Sequence[Library] = KUBERNETES,
        type_named: Callable[[str], Type | None] | None = None,
        bindings: bool = False,
    ) -> None:
        self.variables = variables
        self.functions, self._types = joined(tuple(libraries))
        self._more_types = type_named
        self._bindings = bindings

    def type_named(self, name: str) -> Type | None:
        """The type that expressions call so."""
        found = self._types.get(name)
        return self._more_types(name) if found is None and self._more_types is not None else found

    def compile(self, source: str) -> Program:
        """Raises CompileError."""
        try:
            tree = parse(source, self._bindings)
            checker = Checker(self.variables, self.type_named, self.functions)
            checker.run(tree)
            issues = checker.issues or [*_unlike_elements(tree), *_bad_arguments(tree), *format_issues(tree)]
            if issues:
                raise CompileError(source, issues)
            _compile_patterns(tree)
            return Program(source, tree, plan(tree, self.functions))
        except TooDeep as error:
            raise CompileError(source, [Issue(None, str(error))]) from None
        except RecursionError:
            raise CompileError(source, [Issue(None, TOO_DEEP)]) from None


def _compile_patterns(tree: Expr) -> None:
    """Literal patterns of Kubernetes' own functions have to be right, too.  Raises InstantiationError."""
    for node in walk(tree):
        if isinstance(node, Call) and node.function in ("find", "findAll") and node.target is not None:
            pattern = node.arguments[0]
            if isinstance(pattern, Literal) and isinstance(pattern.value, str):
                try:
                    node.overloads[0].call("", pattern.value)
                except EvaluationError as error:
                    raise InstantiationError(str(error)) from None


def _unlike_elements(node: Expr) -> Iterator[Issue]:
    """Lists and maps have elements of one type, but for the arguments of `format`."""
    exempt: set[int] = set()
    for part in walk(node):
        if isinstance(part, Call) and part.function == "format":
            exempt |= {id(inner) for argument in part.arguments for inner in walk(argument)}
    for part in walk(node):
        if id(part) in exempt:
            continue
        if isinstance(part, ListExpr):
            elements = [(element, at in part.optionals) for at, element in enumerate(part.elements)]
            yield from _unlike(elements, first=True)
        elif isinstance(part, MapExpr):
            yield from _unlike([(entry.key, False) for entry in part.entries])
            yield from _unlike([(entry.value, entry.optional) for entry in part.entries])


def _unlike(elements: list[tuple[Expr, bool]], first: bool = False) -> Iterator[Issue]:
    expected: Type | None = None
    for element, optional in elements:
        of = unwrap_optional(element.type)[0] if optional else element.type
        if expected is None:
            expected = of
        elif of != expected:
            yield Issue(element.position, f"expected type '{expected}' but found '{of}'")
            if first:
                return


def _bad_arguments(tree: Expr) -> Iterator[Issue]:
    """Literal durations, timestamps and regular expressions are looked at already now."""
    for node in walk(tree):
        if not isinstance(node, Call) or node.function not in ("duration", "timestamp", "matches"):
            continue
        argument = node.arguments[-1]
        if not isinstance(argument, Literal) or not isinstance(argument.value, str):
            continue
        call = node.overloads[0].call
        try:
            call("", argument.value) if node.function == "matches" else call(argument.value)
        except EvaluationError:
            yield Issue(argument.position, f"invalid {node.function} argument")
