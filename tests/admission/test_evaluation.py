"""Expressions about one write, evaluated with one budget: what is done anew, and what is charged."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from apiserver.admission import evaluation
from apiserver.admission.evaluation import Evaluation, OutOfBudget, Patience, Unevaluable, evaluate
from apiserver.authorization.authorizer import Undecided
from apiserver.expressions.admission import BUDGET_OF_POLICY, admission_environment
from apiserver.expressions.policies import PolicyExpressions
from apiserver.patience import done
from cel.program import Program

SLOW = "object.all(a, object.all(b, a + b >= 0))"
"""With a thousand numbers, more than one expression may cost; with a hundred, more than may be spent at once."""


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is quick and what takes long is told by the cost alone: a busy machine may halt in between."""
    monkeypatch.setattr(evaluation, "_QUICK_SECONDS", 300.0)
    monkeypatch.setattr(evaluation, "_MOST_SECONDS", 300.0)


def compiled(source: str) -> Program:
    return admission_environment().compile(source)


def with_variables(source: str, **variables: str) -> tuple[Program, dict[str, Program]]:
    expressions = PolicyExpressions(params=False)
    composed = {name: expressions.variable(name, text) for name, text in variables.items()}
    return expressions.validation(source), composed


def value(source: str, given: Any, **variables: str) -> Any:
    program, composed = with_variables(source, **variables)
    return Evaluation({"object": given}, BUDGET_OF_POLICY, Patience(), composed).value(program)


async def test_what_is_quick_is_done_at_once() -> None:
    found = await evaluate(lambda patience: (threading.current_thread(), value("object == 1", 1)))
    assert found == (threading.main_thread(), True)


async def test_what_takes_long_is_done_elsewhere() -> None:
    program, numbers = compiled(SLOW), list(range(200))

    def work(patience: Patience) -> Any:
        evaluated = Evaluation({"object": numbers}, BUDGET_OF_POLICY, patience)
        return evaluated.value(program), threading.current_thread()

    found, thread = await evaluate(work)
    assert found is True
    assert thread is not threading.main_thread()


async def test_an_authorizer_that_has_to_be_waited_for() -> None:
    settled = False

    async def settle() -> None:
        nonlocal settled
        settled = True

    def work(patience: Patience) -> str:
        if not settled:
            raise Undecided(settle)
        return "decided"

    assert await evaluate(work) == "decided"


async def patiently(work: Any) -> Any:
    """As `evaluate`, with its errors."""
    return await done(lambda: work(Patience()))


async def test_one_expression_may_not_cost_more_than_its_share() -> None:
    program = compiled(SLOW)

    def work(patience: Patience) -> Any:
        evaluated = Evaluation({"object": list(range(2000))}, BUDGET_OF_POLICY, patience)
        with pytest.raises(Unevaluable, match="operation cancelled: actual cost limit exceeded"):
            evaluated.value(program)
        return evaluated.budget

    left = await patiently(work)
    assert BUDGET_OF_POLICY - 1_100_000 < left < BUDGET_OF_POLICY - 1_000_000


async def test_all_together_may_not_cost_more_than_the_budget() -> None:
    program = compiled("object.all(a, a >= 0)")

    def work(patience: Patience) -> int:
        evaluated = Evaluation({"object": list(range(100))}, 2_000, patience)
        for count in range(100):
            try:
                evaluated.value(program)
            except OutOfBudget:
                return count
        return 100

    assert 1 <= await patiently(work) < 10


def test_variables_count_where_they_are_used_first() -> None:
    program, composed = with_variables("variables.all", all="object.all(a, a >= 0)")
    evaluated = Evaluation({"object": list(range(100))}, BUDGET_OF_POLICY, Patience(), composed)
    assert evaluated.value(program) is True
    first = BUDGET_OF_POLICY - evaluated.budget
    assert evaluated.value(program) is True
    second = BUDGET_OF_POLICY - evaluated.budget - first
    assert first > 300
    assert second < 5


def test_variables_that_nobody_uses_are_not_evaluated() -> None:
    assert value("true", {}, broken="object.none == 1") is True
    assert value("true || variables.broken", {}, broken="object.none == 1") is True
    why = 'composited variable "broken" fails to evaluate: no such key: none'
    with pytest.raises(Unevaluable, match=why):
        value("variables.broken", {}, broken="object.none == 1")


def test_variables_use_each_other() -> None:
    assert value("variables.b == 3", 1, a="object + 1", b="variables.a + 1") is True
    why = 'composited variable "b" fails to evaluate: composited variable "a" fails to evaluate: no such key: none'
    with pytest.raises(Unevaluable, match=why):
        value("variables.b == 3", {}, a="object.none", b="variables.a + 1")


def test_what_does_not_compile_has_no_value() -> None:
    evaluated = Evaluation({}, BUDGET_OF_POLICY, Patience(), {"x": "no reason"})
    with pytest.raises(Unevaluable, match="compilation error: no reason"):
        evaluated.value("no reason")
