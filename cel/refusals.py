"""Expressions that have to be of certain types where they stand, and the words for those that are not."""

from __future__ import annotations

from cel.environment import Environment
from cel.errors import CompileError
from cel.program import Program
from cel.types import Type
from cel.values import RUNTIME_NAMES


class Refused(Exception):
    """An expression that may not stand where it does; its text is what clients are told."""


class TooCostly(Refused):
    """It is right but for what it could cost."""


def shown(of: Type) -> str:
    return RUNTIME_NAMES.get(of.kind, str(of))


def compiled(environment: Environment, expression: str, *wanted: Type) -> Program:
    """`wanted` are the types that its value may have; any when there are none.  Raises Refused."""
    try:
        program = environment.compile(expression)
    except CompileError as error:
        raise Refused(error.detail) from None
    if wanted and program.type not in wanted:
        names = [shown(of) for of in wanted]
        if len(names) > 1:
            raise Refused(f"must evaluate to one of [{' '.join(names)}] but got {shown(program.type)}")
        raise Refused(f"must evaluate to {names[0]} but got {shown(program.type)}")
    return program
