"""Role-based access control: rules that reach a user through bindings to roles.

See https://kubernetes.io/docs/reference/access-authn-authz/rbac/.  Roles and bindings are kept in an index by subject
that takes in what has changed in the watch cache whenever it is asked: a decision looks only at the bindings of the
user and of each of their groups, and is as current as the cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from apiserver.authorization.rules import Rule, aggregate, rules_of
from apiserver.request import RequestInfo, User
from apiserver.storage.entry import Entry
from apiserver.storage.subscription import Subscription
from apiserver.storage.watch_cache import WatchCache, key_prefix

GROUP = "rbac.authorization.k8s.io"
_KINDS = ("clusterroles", "roles", "clusterrolebindings", "rolebindings")
_ACCOUNT = "system:serviceaccount:"

Key = tuple[str, str]
"""A subject: a kind (User or Group) and a name.  Service accounts are the users that they are known as."""


@dataclass(frozen=True, slots=True)
class Binding:
    """`namespace` is "" for a cluster role binding; `subjects` are by key, each as the binding writes it."""

    namespace: str
    name: str
    role_kind: str
    role: str
    subjects: Mapping[Key, Mapping[str, str]]

    @classmethod
    def of(cls, entry: Entry) -> Binding:
        document, namespace = entry.document, entry.namespace
        subjects: dict[Key, Mapping[str, str]] = {}
        for subject in document.get("subjects") or ():
            key = _key(subject, namespace)
            if key is not None:
                subjects.setdefault(key, subject)
        role = document["roleRef"]
        return cls(namespace, entry.name, role.get("kind", ""), role.get("name", ""), subjects)

    def describe(self, keys: Iterable[Key]) -> str:
        """Which binding of which role to whom: the first of its subjects that the user is."""
        wanted = set(keys)
        subject = next(subject for key, subject in self.subjects.items() if key in wanted)
        kind, name, whom = "ClusterRoleBinding", self.name, subject.get("name", "")
        if self.namespace:
            kind, name = "RoleBinding", f"{self.name}/{self.namespace}"
        if subject["kind"] == "ServiceAccount":
            whom += "/" + (subject.get("namespace") or self.namespace)
        return f'{kind} "{name}" of {self.role_kind} "{self.role}" to {subject["kind"]} "{whom}"'


def _key(subject: Mapping[str, str], namespace: str) -> Key | None:
    kind, name = subject.get("kind", ""), subject.get("name", "")
    if kind == "ServiceAccount":
        namespace = subject.get("namespace") or namespace
        return ("User", f"{_ACCOUNT}{namespace}:{name}") if namespace else None
    return (kind, name) if kind in ("User", "Group") else None


class RBAC:
    """The authorizer, and the resolver of rules for those who give rules to others."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._subscriptions: list[Subscription] = []
        self._roles: dict[Key, tuple[Rule, ...]] = {}  # by namespace and name
        self._bindings: dict[str, dict[str, Binding]] = {}  # by namespace and name
        self._by_subject: dict[str, dict[Key, dict[str, Binding]]] = {}  # by namespace, subject and name

    # --- decisions

    def allows(self, user: User, info: RequestInfo) -> bool:
        return self._find(user, info) is not None

    def reason(self, user: User, info: RequestInfo) -> str:
        found = self._find(user, info)
        if found is not None:
            return f"RBAC: allowed by {found.describe(_keys(user))}"
        errors = self.unlisted(user, info.namespace)
        return f"RBAC: {errors}" if errors else ""

    def _find(self, user: User, info: RequestInfo) -> Binding | None:
        for binding in self._bindings_of(user, info.namespace):
            for rule in self._rules_of(binding) or ():
                if rule.allows(info):
                    return binding
        return None

    # --- rules

    def rules(self, user: User, namespace: str) -> Iterator[Rule]:
        """All rules that hold for a user in a namespace, or ("") everywhere."""
        for binding in sorted(self._bindings_of(user, namespace), key=lambda b: (b.namespace, b.name)):
            yield from self._rules_of(binding) or ()

    def unlisted(self, user: User, namespace: str) -> str:
        """Which of the user's roles do not exist."""
        return aggregate(
            f'{binding.role_kind.lower()}.{GROUP} "{binding.role}" not found'
            for binding in sorted(self._bindings_of(user, namespace), key=lambda b: (b.namespace, b.name))
            if self._rules_of(binding) is None
        )

    # --- the index

    def _rules_of(self, binding: Binding) -> tuple[Rule, ...] | None:
        return self._roles.get((binding.namespace if binding.role_kind == "Role" else "", binding.role))

    def _bindings_of(self, user: User, namespace: str) -> Iterator[Binding]:
        self._catch_up()
        for where in ("", namespace) if namespace else ("",):
            by_subject = self._by_subject.get(where)
            if by_subject:
                for key in _keys(user):
                    if bindings := by_subject.get(key):
                        yield from bindings.values()

    def _catch_up(self) -> None:
        if not self._subscriptions or any(subscription.closed for subscription in self._subscriptions):
            self._load()
        for kind, subscription in zip(_KINDS, self._subscriptions, strict=True):
            if subscription.pending:
                for event in subscription.take():
                    self._take_in(kind, event.entry, gone=event.type == "DELETED")

    def _load(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        self._roles, self._bindings, self._by_subject = {}, {}, {}
        prefixes = [key_prefix(f"{kind}.{GROUP}") for kind in _KINDS]
        for kind, prefix in zip(_KINDS, prefixes, strict=True):
            for entry in self._cache.list(prefix):
                self._take_in(kind, entry, gone=False)
        self._subscriptions = [self._cache.watch(prefix, "", self._cache.revision) for prefix in prefixes]

    def _take_in(self, kind: str, entry: Entry, *, gone: bool) -> None:
        if kind.endswith("roles"):
            key = (entry.namespace, entry.name)
            if gone:
                self._roles.pop(key, None)
            else:
                self._roles[key] = rules_of(entry.document.get("rules"))
            return
        by_name = self._bindings.setdefault(entry.namespace, {})
        by_subject = self._by_subject.setdefault(entry.namespace, {})
        former = by_name.pop(entry.name, None)
        if former is not None:
            for subject in former.subjects:
                found = by_subject[subject]
                del found[entry.name]
                if not found:
                    del by_subject[subject]
        if not gone:
            binding = by_name[entry.name] = Binding.of(entry)
            for subject in binding.subjects:
                by_subject.setdefault(subject, {})[entry.name] = binding


def _keys(user: User) -> Iterator[Key]:
    yield ("User", user.name)
    for group in user.groups:
        yield ("Group", group)
