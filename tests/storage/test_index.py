"""Selections through an index are those that looking at every object would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apiserver.storage import index
from apiserver.storage.collection import Collection
from apiserver.storage.entry import CacheEvent, Encodings, Entry
from apiserver.storage.index import Indexes, Term

NAMES = st.sampled_from("abcdefgh")
VALUES = st.sampled_from(["", "x", "y"])
CHANGES = st.lists(st.tuples(st.sampled_from(["put", "remove", "select"]), NAMES, NAMES, VALUES, VALUES), max_size=60)


def entry(namespace: str, name: str, label: str, field: str, revision: int) -> Entry:
    labels = {"app": label} if label else {}
    return Entry(f"/pods/{namespace}/{name}", namespace, name, revision, b"}", labels, {"spec.nodeName": field})


@given(CHANGES)
def test_a_selection_is_what_looking_at_everything_finds(changes: list[tuple[str, str, str, str, str]]) -> None:
    collection = Collection("/pods/", 0, 10)
    for number in range(60):  # enough for indexes to be made
        collection.put(entry("full", f"z{number}", "x" if number % 7 else "y", str(number % 3), 1))
    present = {found.key: found for found in collection.list("")}
    for revision, (action, namespace, name, label, field) in enumerate(changes, start=2):
        made = entry(namespace, name, label, field, revision)
        if action == "put":
            collection.put(made)
            present[made.key] = made
        elif action == "remove" and made.key in present:
            collection.remove(made)
            del present[made.key]
        for where in ("", "full", namespace):
            terms: list[Term] = [("label", "app", "y"), ("field", "spec.nodeName", "1")]
            found = [e for e in collection.list(where, terms) if _meets(e)]
            assert found == [e for key, e in sorted(present.items()) if where in ("", e.namespace) and _meets(e)]


def _meets(found: Entry) -> bool:
    return found.labels.get("app") == "y" and found.fields["spec.nodeName"] == "1"


def test_a_selection_looks_only_at_what_its_rarest_condition_leaves() -> None:
    collection = Collection("/pods/", 0, 10)
    for number in range(1000):
        collection.put(entry("n", f"{number:04}", "common", "here" if number < 3 else "there", 1))
    terms: list[Term] = [("label", "app", "common"), ("field", "spec.nodeName", "here")]
    assert [found.name for found in collection.list("n", terms)] == ["0000", "0001", "0002"]
    assert [found.name for found in collection.list("", terms)] == ["0000", "0001", "0002"]


def test_the_index_follows_an_object_that_changes() -> None:
    collection = Collection("/pods/", 0, 10)
    for number in range(100):
        collection.put(entry("n", f"{number:02}", "", "a", 1))
    terms: list[Term] = [("field", "spec.nodeName", "b")]
    assert collection.list("n", terms) == []
    moved = entry("n", "07", "", "b", 2)
    collection.apply(CacheEvent("MODIFIED", moved, None, Encodings()))
    assert collection.list("n", terms) == [moved]
    collection.apply(CacheEvent("DELETED", moved, moved, Encodings()))
    assert collection.list("n", terms) == []


def test_the_number_of_indexes_is_bounded() -> None:
    indexes, one = Indexes(), entry("n", "a", "x", "", 1)
    for number in range(3 * index.MOST):
        assert indexes.select([("label", f"key-{number}", "")], lambda: [one]) == [one]
    assert len(indexes._found) == index.MOST
