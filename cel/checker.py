"""Which types the parts of an expression have, which overloads its calls mean, and what does not fit.

The rules are those of https://github.com/google/cel-spec/blob/master/doc/langdef.md#gradual-type-checking; the
messages are cel-go's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cel import types
from cel.errors import Issue
from cel.functions import Function, Functions
from cel.syntax import (
    Call,
    Comprehension,
    Entry,
    Expr,
    Ident,
    ListExpr,
    Literal,
    MapExpr,
    ObjectExpr,
    Select,
    qualified_name,
    walk,
)
from cel.types import Bindings, Type, assignable, is_dyn_or_error, most_general, substitute, unwrap_optional
from cel.values import type_of


class Checker:
    """Checks one expression; what it finds is in the nodes' `type` and `overloads`, and in `issues`."""

    def __init__(
        self, variables: Mapping[str, Type], type_named: Callable[[str], Type | None], functions: Functions
    ) -> None:
        self.variables = variables
        self.type_named = type_named
        self.functions = functions
        self.scopes: list[dict[str, Type]] = []
        self.bindings: Bindings = {}
        self.parameters = 0
        self.issues: list[Issue] = []

    def run(self, tree: Expr) -> None:
        self.check(tree)
        for node in walk(tree):
            node.type = substitute(self.bindings, node.type, unbound_to_dyn=True)

    def check(self, node: Expr) -> Type:
        node.type = _CHECKS[type(node)](self, node)
        return node.type

    def report(self, position: int, message: str) -> None:
        self.issues.append(Issue(position, message))

    def undeclared(self, position: int, name: str) -> Type:
        self.report(position, f"undeclared reference to '{name}' (in container '')")
        return types.ERROR

    def fits(self, to: Type, given: Type) -> bool:
        bindings = assignable(self.bindings, [to], [given])
        if bindings is not None:
            self.bindings = bindings
        return bindings is not None

    def expect(self, node: Expr, expected: Type) -> None:
        if not self.fits(expected, node.type):
            self.mismatch(node, expected, node.type)

    def mismatch(self, node: Expr, expected: Type, found: Type) -> None:
        self.report(node.position, f"expected type '{expected}' but found '{found}'")

    def new_parameter(self) -> Type:
        self.parameters += 1
        return types.parameter(f"_var{self.parameters - 1}")

    def declared(self, name: str) -> tuple[Type | None, Type | None]:
        """The type of a variable, and the type that the name is of where it is no variable."""
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name], None
        name = name.removeprefix(".")
        if name in self.variables:
            return self.variables[name], None
        named = self.type_named(name)
        return (None, None) if named is None else (types.type_of_type(named), named)

    def literal(self, node: Literal) -> Type:
        return type_of(node.value)

    def ident(self, node: Ident) -> Type:
        found, node.named = self.declared(node.name)
        return self.undeclared(node.position, node.name) if found is None else found

    def select(self, node: Select) -> Type:
        name = qualified_name(node)
        if name is not None and not any(name.split(".")[0] in scope for scope in self.scopes):
            declared, node.named = self.declared(name)
            if declared is not None:
                return declared
        found = self.selected(node, node.operand, node.field, optional=False)
        node.key = _key(unwrap_optional(substitute(self.bindings, node.operand.type))[0], node.field)
        return types.BOOL if node.test else substitute(self.bindings, found)

    def selected(self, node: Expr, operand: Expr, name: str, optional: bool) -> Type:
        of, is_optional = unwrap_optional(substitute(self.bindings, self.check(operand)))
        result = types.ERROR
        if of.kind == "map":
            result = of.parameters[1]
        elif of.kind == "object":
            field = of.field(name)
            if field is None:
                self.report(node.position, f"undefined field '{name}'")
            else:
                result = field.type
        else:
            if of.kind == "parameter":
                self.fits(types.DYN, of)
            elif not is_dyn_or_error(of):
                self.report(node.position, f"type '{of}' does not support field selection")
            result = types.DYN
        return types.optional_of(result) if is_optional or optional else result

    def call(self, node: Call) -> Type:
        if node.function == "_?._":
            name = node.arguments[1]
            assert isinstance(name, Literal)
            name.type = types.STRING
            found = self.selected(node, node.arguments[0], name.value, optional=True)
            name.value = _key(unwrap_optional(substitute(self.bindings, node.arguments[0].type))[0], name.value)
            return substitute(self.bindings, found)
        for argument in node.arguments:
            self.check(argument)
        if node.target is not None:
            prefix = qualified_name(node.target)
            function = self.functions.get(f"{prefix}.{node.function}") if prefix is not None else None
            if function is not None:
                node.function, node.target = function.name, None
                return self.resolved(node, function)
            self.check(node.target)
        function = self.functions.get(node.function.removeprefix("."))
        if function is None:
            return self.undeclared(node.position, node.function)
        node.function = function.name
        return self.resolved(node, function)

    def resolved(self, node: Call, function: Function) -> Type:
        """The type of a call's result, its overloads found."""
        given = [argument.type for argument in node.arguments]
        if function.name in ("_&&_", "_||_"):
            return self.logical(node, function)
        if node.target is not None:
            given.insert(0, node.target.type)
        result: Type | None = None
        node.overloads = []
        for overload in function.overloads:
            if overload.method != (node.target is not None) or len(overload.arguments) != len(given):
                continue
            fresh: Bindings = {}
            if overload.generic:
                fresh = {name: self.new_parameter() for name in _parameters(overload.arguments)}
            wanted = [substitute(fresh, argument) for argument in overload.arguments]
            bindings = assignable(self.bindings, given, wanted)
            if bindings is None:
                continue
            self.bindings = bindings
            node.overloads.append(overload)
            this = substitute(self.bindings, substitute(fresh, overload.result))
            if result is None:
                result = this
            elif result.kind != "dyn" and this != result:
                result = types.DYN
        if result is None:
            given = [substitute(self.bindings, argument, unbound_to_dyn=True) for argument in given]
            signature = types.function_signature(given, node.target is not None)
            self.report(node.position, f"found no matching overload for '{function.name}' applied to '{signature}'")
            return types.ERROR
        return result

    def logical(self, node: Call, function: Function) -> Type:
        wrong = [argument for argument in node.arguments if not self.fits(argument.type, types.BOOL)]
        for argument in wrong:
            self.mismatch(argument, types.BOOL, argument.type)
        node.overloads = list(function.overloads)
        return types.ERROR if wrong else types.BOOL

    def list_expr(self, node: ListExpr) -> Type:
        joined: Type | None = None
        for index, element in enumerate(node.elements):
            of = self.check(element)
            if index in node.optionals:
                of = self.unwrapped(element)
            joined = self.join(joined, of)
        return types.list_of(self.new_parameter() if joined is None else joined)

    def unwrapped(self, node: Expr) -> Type:
        """What is in the optional that has to stand here."""
        of, is_optional = unwrap_optional(node.type)
        if not is_optional and of.kind != "dyn":
            self.mismatch(node, types.optional_of(of), of)
        return of

    def join(self, previous: Type | None, current: Type) -> Type:
        if previous is None:
            return current
        return most_general(previous, current) if self.fits(previous, current) else types.DYN

    def map_expr(self, node: MapExpr) -> Type:
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            key = self.join(key, self.check(entry.key))
            value = self.join(value, self.entry_value(entry))
        if key is None or value is None:
            return types.map_of(self.new_parameter(), self.new_parameter())
        return types.map_of(key, value)

    def entry_value(self, entry: Entry) -> Type:
        of = self.check(entry.value)
        return self.unwrapped(entry.value) if entry.optional else of

    def object_expr(self, node: ObjectExpr) -> Type:
        declared, _ = self.declared(node.name)
        if declared is None:
            return self.undeclared(node.position, node.name)
        result = types.ERROR
        if declared.kind != "type" or not declared.parameters:
            self.report(node.position, f"'{declared.name}' is not a type")
        elif declared.parameters[0].kind != "object":
            self.report(node.position, f"'{declared.parameters[0].name}' is not a message type")
        else:
            result = declared.parameters[0]
        for entry in node.entries:
            value = self.entry_value(entry)
            of = types.ERROR
            field = result.field(entry.key)
            if field is not None:
                of = field.type
                entry.key = field.key
            elif result is not types.ERROR:
                self.report(entry.position, f"undefined field '{entry.key}'")
            if not self.fits(of, value):
                message = f"expected type of field '{entry.key}' is '{of}' but provided type is '{value}'"
                self.report(entry.position, message)
        return result

    def comprehension(self, node: Comprehension) -> Type:
        self.check(node.range)
        accumulated = self.check(node.initial)
        over = substitute(self.bindings, node.range.type)
        first, second = types.DYN, types.DYN
        if over.kind == "list":
            first, second = types.INT, over.parameters[0]
            if node.variable2 is None:
                first = second
        elif over.kind == "map":
            first, second = over.parameters
        elif is_dyn_or_error(over) or over.kind == "parameter":
            self.fits(types.DYN, over)
        else:
            message = f"expression of type '{over}' cannot be range of a comprehension (must be list, map, or dynamic)"
            self.report(node.range.position, message)
            first = second = types.ERROR
        self.scopes.append({node.accumulator: accumulated})
        self.scopes.append({node.variable: first})
        if node.variable2 is not None:
            self.scopes[-1][node.variable2] = second
        self.check(node.condition)
        self.expect(node.condition, types.BOOL)
        self.check(node.step)
        self.expect(node.step, accumulated)
        self.scopes.pop()
        result = self.check(node.result)
        self.scopes.pop()
        return substitute(self.bindings, result)


def _key(of: Type, name: str) -> str:
    field = of.field(name)
    return name if field is None else field.key


def _parameters(arguments: tuple[Type, ...]) -> set[Type]:
    found: set[Type] = set()
    for argument in arguments:
        found |= {argument} if argument.kind == "parameter" else _parameters(argument.parameters)
    return found


_CHECKS: dict[type[Expr], Callable[[Checker, Any], Type]] = {
    Literal: Checker.literal,
    Ident: Checker.ident,
    Select: Checker.select,
    Call: Checker.call,
    ListExpr: Checker.list_expr,
    MapExpr: Checker.map_expr,
    ObjectExpr: Checker.object_expr,
    Comprehension: Checker.comprehension,
}
