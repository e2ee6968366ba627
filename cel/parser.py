"""From text to a tree: precedence climbing over the tokens, macros expanded on the way.

The grammar is https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax with optional selection (`.?`,
`[?]`).  Where the text does not follow it, `syntax_errors` finds cel-go's words for that.
"""

from __future__ import annotations

from cel.errors import CompileError, Issue
from cel.macros import MacroError, bind, expand
from cel.syntax import Call, Entry, Expr, Ident, ListExpr, Literal, MapExpr, ObjectExpr, Select
from cel.tokens import EOF, Token, tokenize, unquote

_OPERATORS = {
    **{f"'{operator}'": (0, f"_{operator}_") for operator in ("<", "<=", ">", ">=", "==", "!=")},
    "'in'": (0, "@in"),
    **{f"'{operator}'": (1, f"_{operator}_") for operator in "+-"},
    **{f"'{operator}'": (2, f"_{operator}_") for operator in "*/%"},
}
"""The binary operators: how tightly they bind, and their functions."""
_RESERVED = frozenset(
    (
        *("as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop"),
        *("package", "namespace", "return", "var", "void", "while"),
    )
)
_MOST_LEVELS = 250
TOO_DEEP = f"expression recursion limit exceeded: {_MOST_LEVELS}"
_LONGEST = 100_000


class _SyntaxError(Exception):
    """The tokens do not follow the grammar."""


def parse(source: str, bindings: bool = False) -> Expr:
    """`bindings`: whether there is the macro `cel.bind`.  Raises CompileError."""
    if len(source) > _LONGEST:
        message = f"expression code point size exceeds limit: size: {len(source)}, limit {_LONGEST}"
        raise CompileError(source, [Issue(None, message)])
    tokens, issues = tokenize(source)
    parser = _Parser(tokens, bindings)
    try:
        tree = parser.whole()
    except _SyntaxError:
        from cel.syntax_errors import syntax_errors

        raise CompileError(source, issues + syntax_errors(tokens)) from None
    if issues or parser.issues:
        raise CompileError(source, issues + parser.issues)
    return tree


class TooDeep(Exception):
    """The expression is nested deeper than cel-go allows; its text is what that says."""


class _Parser:
    def __init__(self, tokens: list[Token], bindings: bool) -> None:
        self.tokens = tokens
        self.bindings = bindings
        self.at = 0
        self.depth = 0
        self.issues: list[Issue] = []

    def whole(self) -> Expr:
        tree = self.expression()
        self.take(EOF)
        return tree

    def kind(self, ahead: int = 0) -> str:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)].kind

    def take(self, kind: str) -> Token:
        token = self.tokens[self.at]
        if token.kind != kind:
            raise _SyntaxError
        self.at += 1
        return token

    def took(self, kind: str) -> Token | None:
        return self.take(kind) if self.tokens[self.at].kind == kind else None

    def expression(self) -> Expr:
        self.depth += 1
        if self.depth > _MOST_LEVELS:
            raise TooDeep(TOO_DEEP)
        condition = self.disjunction()
        if mark := self.took("'?'"):
            if_true = self.disjunction()
            self.take("':'")
            condition = self.call(mark.position, "_?_:_", None, [condition, if_true, self.expression()])
        self.depth -= 1
        return condition

    def disjunction(self) -> Expr:
        terms, marks = [self.conjunction()], []
        while mark := self.took("'||'"):
            marks.append(mark.position)
            terms.append(self.conjunction())
        return _balanced("_||_", terms, marks) if marks else terms[0]

    def conjunction(self) -> Expr:
        terms, marks = [self.operators(0)], []
        while mark := self.took("'&&'"):
            marks.append(mark.position)
            terms.append(self.operators(0))
        return _balanced("_&&_", terms, marks) if marks else terms[0]

    def operators(self, least: int) -> Expr:
        """Relations, sums and products from a level of precedence on; they associate to the left."""
        left = self.unary()
        repeated = 0
        while True:
            kind = self.kind()
            level, function = _OPERATORS.get(kind, (-1, ""))
            if level < least:
                return left
            repeated += 1
            if repeated > _MOST_LEVELS:
                raise TooDeep("max recursion depth exceeded")
            position = self.take(kind).position
            left = self.call(position, function, None, [left, self.operators(level + 1)])

    def unary(self) -> Expr:
        kind = self.kind()
        if kind not in ("'!'", "'-'") or (kind == "'-'" and self.kind(1) in ("NUM_INT", "NUM_FLOAT")):
            return self.member()
        position = self.tokens[self.at].position
        count = 0
        while self.took(kind):
            count += 1
        operand = self.member()
        return operand if count % 2 == 0 else self.call(position, "!_" if kind == "'!'" else "-_", None, [operand])

    def member(self) -> Expr:
        operand = self.primary()
        repeated = 0
        while True:
            repeated += 1
            if repeated > _MOST_LEVELS:
                raise TooDeep("max recursion depth exceeded")
            if dot := self.took("'.'"):
                operand = self.selection(operand, dot)
            elif bracket := self.took("'['"):
                function = "_[?_]" if self.took("'?'") else "_[_]"
                index = self.expression()
                self.take("']'")
                operand = self.call(bracket.position, function, None, [operand, index])
            else:
                return operand

    def selection(self, operand: Expr, dot: Token) -> Expr:
        optional = self.took("'?'")
        if self.kind() == "ESC_IDENTIFIER":
            self.issues.append(Issue(self.take("ESC_IDENTIFIER").position, "unsupported syntax: '`'"))
            return operand
        name = self.take("IDENTIFIER")
        if optional is not None:
            return Call(dot.position, "_?._", None, [operand, Literal(name.position, name.text)])
        if bracket := self.took("'('"):
            return self.call(bracket.position, name.text, operand, self.arguments())
        return Select(dot.position, operand, name.text)

    def arguments(self) -> list[Expr]:
        """Up to and with the closing parenthesis."""
        if self.took("')'"):
            return []
        found = [self.expression()]
        while self.took("','"):
            found.append(self.expression())
        self.take("')'")
        return found

    def primary(self) -> Expr:
        token = self.tokens[self.at]
        if token.kind == "'('":
            self.at += 1
            inner = self.expression()
            self.take("')'")
            return inner
        if token.kind == "'['":
            self.at += 1
            return self.list_literal(token)
        if token.kind == "'{'":
            self.at += 1
            return MapExpr(token.position, self.entries(fields=False))
        if token.kind in ("IDENTIFIER", "'.'"):
            return self.name_or_object(token)
        return self.literal(token)

    def name_or_object(self, first: Token) -> Expr:
        dot = "." if self.took("'.'") else ""
        end = self.at + 1
        while [token.kind for token in self.tokens[end : end + 2]] == ["'.'", "IDENTIFIER"]:
            end += 2
        name = self.take("IDENTIFIER")
        if self.tokens[min(end, len(self.tokens) - 1)].kind == "'{'":
            names = [name.text] + [token.text for token in self.tokens[self.at + 1 : end : 2]]
            self.at = end
            brace = self.take("'{'")
            return ObjectExpr(brace.position, dot + ".".join(names), self.entries(fields=True))
        if name.text in _RESERVED:
            self.issues.append(Issue(first.position, f"reserved identifier: {name.text}"))
            return Literal(first.position, None)
        if bracket := self.took("'('"):
            return self.call(bracket.position, dot + name.text, None, self.arguments())
        return Ident(name.position, dot + name.text)

    def list_literal(self, bracket: Token) -> Expr:
        elements: list[Expr] = []
        optionals: set[int] = set()
        while not self.took("']'"):
            if self.took("','"):
                self.take("']'")
                break
            if self.took("'?'"):
                optionals.add(len(elements))
            elements.append(self.expression())
            if self.kind() != "']'":
                self.take("','")
                if self.took("']'"):
                    break
                if self.kind() == "','":
                    raise _SyntaxError
        return ListExpr(bracket.position, elements, optionals)

    def entries(self, fields: bool) -> list[Entry]:
        """The entries of a map or the fields of an object, with the closing brace."""
        found: list[Entry] = []
        while not self.took("'}'"):
            if self.took("','"):
                self.take("'}'")
                break
            optional = self.took("'?'") is not None
            key = self.take("IDENTIFIER").text if fields else self.expression()
            colon = self.take("':'")
            found.append(Entry(colon.position, key, self.expression(), optional))
            if self.kind() != "'}'":
                self.take("','")
                if self.took("'}'"):
                    break
                if self.kind() == "','":
                    raise _SyntaxError
        return found

    def literal(self, token: Token) -> Expr:
        sign = "-" if self.took("'-'") else ""
        number = self.tokens[self.at]
        self.at += 1
        kind, text = number.kind, number.text
        if kind == "NUM_INT":
            value = int(sign + text, 16 if text.startswith("0x") else 10)
            return self.checked(token, value, -(2**63) <= value < 2**63, "invalid int literal")
        if kind == "NUM_FLOAT":
            double = float(sign + text)
            return self.checked(token, double, abs(double) != float("inf"), "invalid double literal")
        if sign:
            raise _SyntaxError
        if kind == "NUM_UINT":
            from cel.values import UInt

            value = int(text[:-1], 16 if text.startswith("0x") else 10)
            return self.checked(token, UInt(value), value < 2**64, "invalid uint literal")
        if kind in ("STRING", "BYTES"):
            try:
                return Literal(token.position, unquote(text))
            except ValueError as error:
                return self.checked(token, text, False, str(error))
        if kind in ("'true'", "'false'", "'null'"):
            return Literal(token.position, {"true": True, "false": False, "null": None}[text])
        raise _SyntaxError

    def checked(self, token: Token, value: object, valid: bool, message: str) -> Expr:
        if not valid:
            self.issues.append(Issue(token.position, message))
        return Literal(token.position, value)

    def call(self, position: int, function: str, target: Expr | None, arguments: list[Expr]) -> Expr:
        try:
            expanded = expand(position, function, target, arguments)
            if self.bindings and function == "bind" and isinstance(target, Ident) and target.name == "cel":
                expanded = bind(position, arguments)
        except MacroError as error:
            self.issues.append(Issue(error.position, error.message))
            expanded = Literal(position, None)
        return Call(position, function, target, arguments) if expanded is None else expanded


def _balanced(function: str, terms: list[Expr], marks: list[int]) -> Expr:
    """A long chain as a tree that is not deep."""
    if len(terms) == 1:
        return terms[0]
    middle = (len(marks) - 1) // 2
    left = _balanced(function, terms[: middle + 1], marks[:middle])
    right = _balanced(function, terms[middle + 1 :], marks[middle + 1 :])
    return Call(marks[middle], function, None, [left, right])
