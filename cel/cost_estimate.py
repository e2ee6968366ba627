"""What evaluating an expression can cost at most, known from its types and the bounds of its variables' schemas.

The rules are those of cel-go (https://github.com/google/cel-go/blob/master/checker/cost.go), with the sizes and calls
that Kubernetes knows more of (https://kubernetes.io/docs/reference/using-api/cel/#cost-estimation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cel.call_estimates import CALLS
from cel.estimates import MOST, ONE, UNKNOWN, ZERO, Estimate, fixed
from cel.runtime_costs import LIST, MAP, OBJECT, REGEX, TRAVERSAL
from cel.syntax import (
    RESULT,
    Call,
    Comprehension,
    Expr,
    Ident,
    ListExpr,
    Literal,
    MapExpr,
    ObjectExpr,
    Select,
)
from cel.types import Type, unwrap_optional

Path = tuple[str, ...]
SizeOf = Callable[[Path], int | None]
"""The most elements or characters at a path from a variable on: names of fields, `@items`, `@values`, `@keys`;
None where nothing is known."""


def estimate_cost(tree: Expr, size_of: SizeOf) -> Estimate:
    """The cost of a checked expression."""
    return _Coster(size_of).cost(tree)


@dataclass(frozen=True, slots=True)
class _Entries:
    """The sizes of a container's keys or positions, and of its values."""

    kind: str
    key: Estimate
    value: Estimate


@dataclass(frozen=True, slots=True)
class _Local:
    path: Path
    size: Estimate | None
    entries: _Entries | None


class _Coster:
    def __init__(self, size_of: SizeOf) -> None:
        self.size_of = size_of
        self.paths: dict[Expr, Path] = {}
        self.sizes: dict[Expr, Estimate] = {}
        self.entries: dict[Expr, _Entries] = {}
        self.locals: dict[str, list[_Local]] = {}

    def cost(self, node: Expr) -> Estimate:
        match node:
            case Ident():
                local = self.local(node)
                self.paths[node] = (node.name,) if local is None else local.path
                return ONE
            case Select():
                return self.select(node)
            case Call():
                return self.call(node)
            case ListExpr():
                return self.list_expr(node)
            case MapExpr():
                return self.map_expr(node)
            case ObjectExpr():
                total = fixed(OBJECT)
                for entry in node.entries:
                    total = total.plus(self.cost(entry.value))
                return total
            case Comprehension():
                return self.bind(node) if _is_bind(node) else self.comprehension(node)
        return ZERO

    def select(self, node: Select) -> Estimate:
        if not node.key:
            return ONE
        total = self.cost(node.operand)
        if node.test:
            return total
        if node.operand.type.kind in ("map", "object", "parameter"):
            total = total.plus(ONE)
        self.paths[node] = (*self.path(node.operand), node.field)
        return total

    def call(self, node: Call) -> Estimate:
        if node.function == "dyn":
            total = self.cost(node.arguments[0]).plus(ONE)
            self.copy_sizes(node, node.arguments[0])
            return total
        costs = [self.cost(argument) for argument in node.arguments]
        if node.function == "_?._":
            return costs[0].plus(ONE)
        total = ZERO if node.target is None else self.cost(node.target)
        if not node.overloads:
            return ZERO
        cost = Estimate(MOST, 0)
        size: Estimate | None = None
        for overload in node.overloads:
            this, result = self.function(node, overload.id, costs)
            cost = cost.union(this)
            if result is not None:
                size = result if size is None else size.union(result)
            if overload.id in ("index_list", "index_map"):
                entries = self.entry_sizes(node.arguments[0])
                size = None if entries is None else entries.value
                below = "@items" if overload.id == "index_list" else "@values"
                self.paths[node] = (*self.path(node.arguments[0]), below)
            if size is None:
                size = self.known_size(node)
        if size is not None:
            self.sizes[node] = size
        return total.plus(cost)

    def function(self, node: Call, overload: str, costs: list[Estimate]) -> tuple[Estimate, Estimate | None]:
        """The cost of one overload, arguments included, and the size of its result."""
        arguments = ZERO
        for cost in costs:
            arguments = arguments.plus(cost)
        estimator = CALLS.get(node.function)
        found = None if estimator is None else estimator(self, overload, node.target, node.arguments)
        if found is None:
            found = self.standard(node, overload, costs)
            if overload in ("and", "or", "conditional"):
                return found
        return found[0].plus(arguments), found[1]

    def standard(self, node: Call, overload: str, costs: list[Estimate]) -> tuple[Estimate, Estimate | None]:
        given = node.arguments
        match overload:
            case "and" | "or":
                return Estimate(costs[0].least, costs[0].plus(costs[1]).most), None
            case "conditional":
                return self.conditional(node, costs)
            case "string_to_bytes":
                size = self.size(given[0])
                return size.scaled(TRAVERSAL), Estimate(size.least, min(size.most * 4, MOST))
            case "bytes_to_string":
                size = self.size(given[0])
                return size.scaled(TRAVERSAL), Estimate(size.least // 4, size.most)
            case "starts_with_string" | "ends_with_string":
                return self.size(given[0]).scaled(TRAVERSAL), None
            case "in_list":
                return self.size(given[1]), None
            case "add_list" | "add_string" | "add_bytes":
                return self.concatenation(node, overload)
            case "compare_string" | "compare_bytes" | "equals" | "not_equals":
                most = min(self.size(given[0]).most, self.size(given[1]).most)
                return Estimate(1 if most > 0 else 0, most).scaled(TRAVERSAL), None
        if overload == "matches_string" and node.target is not None:
            text = self.size(node.target).plus(ONE).scaled(TRAVERSAL)
            return text.times(self.size(given[0]).scaled(REGEX)), None
        if overload == "contains_string" and node.target is not None:
            text = self.size(node.target).scaled(TRAVERSAL)
            return text.times(self.size(given[0]).scaled(TRAVERSAL)), None
        if node.function == "format" and node.target is not None:
            return self.size(node.target).scaled(TRAVERSAL), None
        return ONE, None

    def conditional(self, node: Call, costs: list[Estimate]) -> tuple[Estimate, Estimate | None]:
        _, if_true, if_false = node.arguments
        self.union_entries(node, if_true, if_false)
        size = self.size(if_true).union(self.size(if_false))
        return costs[0].plus(costs[1].union(costs[2])), size

    def concatenation(self, node: Call, overload: str) -> tuple[Estimate, Estimate | None]:
        one, other = node.arguments
        size = self.size(one).plus(self.size(other))
        self.union_entries(node, one, other)
        return (ONE if overload == "add_list" else size.scaled(TRAVERSAL)), size

    def union_entries(self, node: Expr, one: Expr, other: Expr) -> None:
        first, second = self.entry_sizes(one), self.entry_sizes(other)
        if first is not None and second is not None:
            united = _Entries(first.kind, first.key.union(second.key), first.value.union(second.value))
            self.entries[node] = united

    def list_expr(self, node: ListExpr) -> Estimate:
        total = fixed(LIST)
        value = Estimate(MOST, 0) if node.elements else ZERO
        for element in node.elements:
            total = total.plus(self.cost(element))
            value = value.union(self.size(element))
        self.entries[node] = _Entries("list", ONE, value)
        return total

    def map_expr(self, node: MapExpr) -> Estimate:
        total = fixed(MAP)
        key = value = Estimate(MOST, 0) if node.entries else ZERO
        for entry in node.entries:
            total = total.plus(self.cost(entry.key)).plus(self.cost(entry.value))
            key, value = key.union(self.size(entry.key)), value.union(self.size(entry.value))
        self.entries[node] = _Entries("map", key, value)
        return total

    def comprehension(self, node: Comprehension) -> Estimate:
        total = self.cost(node.range).plus(self.cost(node.initial))
        self.push(node.accumulator, self.local_of(node.initial))
        if node.variable2 is None:
            self.push(node.variable, self.iterated(node.range, of_list="@items", of_map="@keys"))
        else:
            self.push(node.variable, self.iterated(node.range, of_list="@indices", of_map="@keys"))
            self.push(node.variable2, self.iterated(node.range, of_list="@items", of_map="@values"))
        each = self.cost(node.condition).plus(self.cost(node.step))
        self.locals[node.variable].pop()
        if node.variable2 is not None:
            self.locals[node.variable2].pop()
        total = total.plus(self.cost(node.result))
        self.locals[node.accumulator].pop()
        count = self.size(node.range)
        if isinstance(node.initial, Literal):
            self.sizes[node] = self.size(node.initial)
        elif isinstance(node.initial, ListExpr | MapExpr):
            self.sizes[node] = count
            made = self.entry_sizes(node.step)
            if made is not None:
                self.entries[node] = made
        return total.plus(count.times(each))

    def bind(self, node: Comprehension) -> Estimate:
        total = self.cost(node.range).plus(self.cost(node.initial))
        self.push(node.accumulator, self.local_of(node.initial))
        total = total.plus(self.cost(node.result))
        self.locals[node.accumulator].pop()
        self.copy_sizes(node, node.result)
        return total

    def push(self, name: str, local: _Local) -> None:
        self.locals.setdefault(name, []).append(local)

    def local_of(self, node: Expr) -> _Local:
        return _Local(self.path(node), self.known_size(node), self.entry_sizes(node))

    def iterated(self, over: Expr, of_list: str, of_map: str) -> _Local:
        """A loop variable: what of the range it stands for."""
        entries = self.entry_sizes(over)
        below = of_list if (over.type.kind if entries is None else entries.kind) == "list" else of_map
        size = None
        if entries is not None:
            size = entries.value if below in ("@items", "@values") else entries.key
        return _Local((*self.path(over), below), size, None)

    def local(self, node: Expr) -> _Local | None:
        scopes = self.locals.get(node.name) if isinstance(node, Ident) else None
        return scopes[-1] if scopes else None

    def path(self, node: Expr) -> Path:
        local = self.local(node)
        return self.paths.get(node, ()) if local is None else local.path

    def copy_sizes(self, to: Expr, of: Expr) -> None:
        size, entries = self.known_size(of), self.entry_sizes(of)
        if size is not None:
            self.sizes[to] = size
        if entries is not None:
            self.entries[to] = entries

    def size(self, node: Expr) -> Estimate:
        return self.known_size(node) or UNKNOWN

    def known_size(self, node: Expr) -> Estimate | None:
        if node in self.sizes:
            return self.sizes[node]
        match node:
            case Literal():
                return fixed(len(node.value) if isinstance(node.value, str | bytes) else 1)
            case ListExpr():
                return fixed(len(node.elements))
            case MapExpr():
                return fixed(len(node.entries))
        path = self.path(node)
        most = self.size_of(path) if path and path[0] != RESULT else None
        if most is not None:
            self.sizes[node] = Estimate(0, most)
            return self.sizes[node]
        if _is_scalar(node.type):
            return ONE
        local = self.local(node)
        return None if local is None else local.size

    def elements(self, node: Expr) -> tuple[Type, Estimate] | None:
        """The type of a list's elements and their sizes; None for what is no list."""
        if not node.type.parameters:
            return None
        path = self.path(node)
        most = self.size_of((*path, "@items")) if path else None
        return node.type.parameters[0], UNKNOWN if most is None else Estimate(0, most)

    def entry_sizes(self, node: Expr) -> _Entries | None:
        if node in self.entries:
            return self.entries[node]
        local = self.local(node)
        return None if local is None else local.entries


def _is_bind(node: Comprehension) -> bool:
    return node.accumulator != RESULT


def _is_scalar(of: Type) -> bool:
    inner, is_optional = unwrap_optional(of)
    if is_optional:
        return _is_scalar(inner)
    return of.kind in ("bool", "double", "duration", "int", "timestamp", "uint")
