"""The operations of a resource, as OpenAPI v3 path items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api.authentication_v1 import TokenRequest
from api.autoscaling_v1 import Scale
from api.core_v1 import Binding
from api.meta_v1 import DeleteOptions, Status
from api.policy_v1 import Eviction
from api.schema import ModelClass
from api.scheme import GroupVersion, Part, Resource
from apiserver.openapi.components import Components, Document
from apiserver.openapi.names import META, operation_group, tag

JSON = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_STREAMS = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
_PATCHES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)

_PARAMETERS: dict[str, tuple[str, str]] = {
    "allowWatchBookmarks": ("boolean", "Whether a watch may send BOOKMARK events, which carry only a version."),
    "command": ("string", "The command to run, one argument each time the parameter is given."),
    "container": ("string", "The container; needed when the pod has more than one."),
    "continue": ("string", "Where to go on with a list that was cut by `limit`."),
    "dryRun": ("string", "With All the request is carried out in every respect but storing."),
    "fieldManager": ("string", "The name that changed fields are recorded under; at most 128 printable characters."),
    "fieldSelector": ("string", "Restricts the result to objects with these values of fields."),
    "fieldValidation": ("string", "What to do about unknown and repeated fields: Ignore, Warn (default) or Strict."),
    "follow": ("boolean", "Keep the answer open and send what is logged from now on."),
    "force": ("boolean", "Take fields over from other managers; only for apply patches."),
    "gracePeriodSeconds": ("integer", "Seconds the object has to end by itself; zero deletes at once."),
    "ignoreStoreReadErrorWithClusterBreakingPotential": (
        "boolean",
        "Delete even an object that cannot be read back from the store.",
    ),
    "insecureSkipTLSVerifyBackend": ("boolean", "Do not verify the node's certificate."),
    "labelSelector": ("string", "Restricts the result to objects with these labels."),
    "limit": ("integer", "The most objects to return in one answer."),
    "limitBytes": ("integer", "The most bytes to return."),
    "name": ("string", "The name of the object."),
    "namespace": ("string", "The namespace of the object."),
    "orphanDependents": ("boolean", "Deprecated: use propagationPolicy."),
    "path": ("string", "The part of the URL that is passed on."),
    "ports": ("integer", "The ports to forward."),
    "pretty": ("string", "With true the answer is indented."),
    "previous": ("boolean", "The log of the container's last instance instead of the present one."),
    "propagationPolicy": ("string", "What becomes of the objects this one owns: Orphan, Background or Foreground."),
    "resourceVersion": ("string", "The version to read at or to watch from."),
    "resourceVersionMatch": ("string", "How resourceVersion is meant: Exact or NotOlderThan."),
    "sendInitialEvents": ("boolean", "Begin a watch with the objects that exist, ended by a bookmark."),
    "shardSelector": ("string", "Restricts the result to one shard of all objects."),
    "sinceSeconds": ("integer", "Only what was logged in the last so many seconds."),
    "stderr": ("boolean", "Connect standard error."),
    "stdin": ("boolean", "Connect standard input."),
    "stdout": ("boolean", "Connect standard output."),
    "stream": ("string", "Which output to return: All, Stdout or Stderr."),
    "tailLines": ("integer", "Only the last so many lines."),
    "timeoutSeconds": ("integer", "End the call after so many seconds."),
    "timestamps": ("boolean", "Put the time in front of every line."),
    "tty": ("boolean", "Give the command a terminal."),
    "watch": ("boolean", "Stream changes instead of returning a list."),
}
LIST = ("allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
         "resourceVersionMatch", "sendInitialEvents", "shardSelector", "timeoutSeconds", "watch")  # fmt: skip
DELETE = ("dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents",
           "propagationPolicy")  # fmt: skip
_DELETE_ALL = ("continue", "dryRun", "fieldSelector", "gracePeriodSeconds",
               "ignoreStoreReadErrorWithClusterBreakingPotential", "labelSelector", "limit", "orphanDependents",
               "propagationPolicy", "resourceVersion", "resourceVersionMatch", "sendInitialEvents", "shardSelector",
               "timeoutSeconds")  # fmt: skip
WRITE = ("dryRun", "fieldManager", "fieldValidation")


def parameter(name: str, path: str = "") -> Document:
    """A parameter's declaration; one that the path holds is part of it and required."""
    kind, about = _PARAMETERS[name]
    inside = f"{{{name}}}" in path
    document: Document = {"name": name, "in": "path" if inside else "query", "description": about}
    if inside:
        document["required"] = True
    return {**document, "schema": {"type": kind, "uniqueItems": True}}


def answers(schema: Document, codes: tuple[str, ...], media: tuple[str, ...] = JSON) -> Document:
    """An operation's responses: with each of `codes` what `schema` describes, in each of the `media` types."""
    words = {"200": "OK", "201": "Created", "202": "Accepted"}
    content = {kind: {"schema": schema} for kind in sorted(media)}
    found: Document = {code: {"description": words[code], "content": content} for code in codes}
    return {"responses": {**found, "401": {"description": "Unauthorized"}}}


@dataclass(frozen=True)
class Action:
    """A subresource that does something.  `body` is what is posted; without it the connection is passed on."""

    name: str
    kind: str
    group_version: GroupVersion
    body: ModelClass | None = None
    parameters: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("get", "post")


_CORE = GroupVersion("", "v1")
_EVERY_METHOD = ("get", "put", "post", "delete", "options", "head", "patch")
ACTIONS: dict[tuple[str, str], tuple[Action, ...]] = {
    ("", "pods"): (
        Action("attach", "PodAttachOptions", _CORE, None, ("container", "stderr", "stdin", "stdout", "tty")),
        Action("binding", "Binding", _CORE, Binding),
        Action("eviction", "Eviction", GroupVersion("policy", "v1"), Eviction),
        Action("exec", "PodExecOptions", _CORE, None, ("command", "container", "stderr", "stdin", "stdout", "tty")),
        Action(
            "log", "Pod", _CORE, None,
            ("container", "follow", "insecureSkipTLSVerifyBackend", "limitBytes", "pretty", "previous",
             "sinceSeconds", "stream", "tailLines", "timestamps"), ("get",),
        ),
        Action("portforward", "PodPortForwardOptions", _CORE, None, ("ports",)),
        Action("proxy", "PodProxyOptions", _CORE, None, ("path",), _EVERY_METHOD),
    ),
    ("", "nodes"): (Action("proxy", "NodeProxyOptions", _CORE, None, ("path",), _EVERY_METHOD),),
    ("", "serviceaccounts"): (
        Action("token", "TokenRequest", GroupVersion("authentication.k8s.io", "v1"), TokenRequest),
    ),
    ("", "services"): (Action("proxy", "ServiceProxyOptions", _CORE, None, ("path",), _EVERY_METHOD),),
}  # fmt: skip


class Paths:
    """Writes the path items of a group version's resources, and collects the components they name."""

    def __init__(self, components: Components) -> None:
        self.components = components
        self.items: dict[str, Document] = {}

    def add(self, resource: Resource) -> None:
        """All paths of a resource."""
        if resource.verbs == ("create",):
            self._add_review(resource)
            return
        base = f"{resource.root}/namespaces/{{namespace}}" if resource.namespaced else resource.root
        collection = f"{base}/{resource.plural}"
        if resource.namespaced and "list" in resource.verbs:
            everywhere = f"{resource.root}/{resource.plural}"
            self._item(everywhere, (), {"get": self._list(resource, "ForAllNamespaces")}, LIST)
        self._item(collection, self._shared(resource, ""), dict(self._of_collection(resource)))
        self._item(f"{collection}/{{name}}", self._shared(resource, "name"), dict(self._of_object(resource)))
        if "watch" in resource.verbs:
            self._add_watches(resource)
        for part in resource.parts:
            if part.is_view:
                operations = dict(self._of_part(resource, part))
                self._item(f"{collection}/{{name}}/{part.name}", self._shared(resource, "name"), operations)
        for action in ACTIONS.get((resource.group, resource.plural), ()):
            self._action(resource, f"{collection}/{{name}}/{action.name}", action)
            if action.name == "proxy":
                self._action(resource, f"{collection}/{{name}}/{action.name}/{{path}}", action, "WithPath")

    def _add_review(self, resource: Resource) -> None:
        """A resource that only takes a POST and keeps nothing."""
        version, kind = resource.group_version, resource.kind
        base = f"{resource.root}/namespaces/{{namespace}}" if resource.namespaced else resource.root
        name = ("Namespaced" if resource.namespaced else "") + kind
        post = self._operation(version, kind, "post", f"create{operation_group(version)}{name}", f"Create a {kind}.")
        answer = answers(self.components.refer(resource.model), ("200", "201", "202"))
        operations = {"post": post | self._body(resource.model) | answer}
        self._item(f"{base}/{resource.plural}", self._shared(resource, ""), operations, WRITE)

    def _add_watches(self, resource: Resource) -> None:
        """The paths that are nothing but a watch, which a parameter of a list has replaced."""
        kind, plural, watched = resource.kind, resource.plural, f"{resource.root}/watch"
        listed = f"Watch a list of {kind} objects. Deprecated: list them with the parameter `watch`."
        single = f"Watch a {kind}. Deprecated: list with the parameters `watch` and `fieldSelector`."
        event = answers(self.components.extra(META + "WatchEvent"), ("200",), JSON + _STREAMS)
        if resource.namespaced:
            name = f"watch{operation_group(resource.group_version)}{kind}ListForAllNamespaces"
            everywhere = self._operation(resource.group_version, kind, "watchlist", name, listed) | event
            self._item(f"{watched}/{plural}", (), {"get": everywhere}, LIST)
            watched += "/namespaces/{namespace}"
        of_list = self._verb(resource, "watchlist", "watch", "List", listed) | event
        self._item(f"{watched}/{plural}", self._shared(resource, ""), {"get": of_list}, LIST)
        of_one = self._verb(resource, "watch", "watch", "", single) | event
        self._item(f"{watched}/{plural}/{{name}}", self._shared(resource, "name"), {"get": of_one}, LIST)

    # --- pieces ------------------------------------------------------------------------------

    def _item(
        self, path: str, shared: tuple[str, ...], operations: dict[str, Document], extra: tuple[str, ...] = ()
    ) -> None:
        if not operations:
            return
        names = sorted({*shared, *extra, "pretty"})
        self.items[path] = {**operations, "parameters": [parameter(name, path) for name in names]}

    @staticmethod
    def _shared(resource: Resource, name: str) -> tuple[str, ...]:
        return tuple(filter(None, (name, "namespace" if resource.namespaced else "")))

    def _operation(self, version: GroupVersion, kind: str, action: str, operation: str, about: str) -> Document:
        return {
            "tags": [tag(version)],
            "description": about,
            "operationId": operation,
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {"group": version.group, "version": version.version, "kind": kind},
        }

    def _verb(self, resource: Resource, action: str, word: str, suffix: str, about: str) -> Document:
        scope = "Namespaced" if resource.namespaced else ""
        name = f"{word}{operation_group(resource.group_version)}{scope}{resource.kind}{suffix}"
        if word == "deleteCollection":
            name = f"delete{operation_group(resource.group_version)}Collection{scope}{resource.kind}"
        return self._operation(resource.group_version, resource.kind, action, name, about)

    @staticmethod
    def _with(names: tuple[str, ...]) -> Document:
        return {"parameters": [parameter(name) for name in names]}

    def _body(self, model: ModelClass, required: bool = True) -> Document:
        body: Document = {"content": {"*/*": {"schema": self.components.refer(model)}}}
        return {"requestBody": {**body, "required": True} if required else body}

    def _list(self, resource: Resource, suffix: str = "") -> Document:
        version = resource.group_version
        kinds: list[Any] = [{"group": version.group, "kind": f"{resource.kind}List", "version": version.version}]
        listed = self.components.refer_list(resource.model, kinds)
        about = f"List or watch objects of kind {resource.kind}."
        if suffix:
            operation = self._operation(
                version, resource.kind, "list", f"list{operation_group(version)}{resource.kind}{suffix}", about
            )
        else:
            operation = self._verb(resource, "list", "list", "", about)
        return operation | answers(listed, ("200",), JSON + _STREAMS)

    def _of_collection(self, resource: Resource) -> Iterator[tuple[str, Document]]:
        kind = resource.kind
        one = self.components.refer(resource.model)
        if "list" in resource.verbs:
            yield "get", self._list(resource) | self._with(LIST)
        if "create" in resource.verbs:
            post = self._verb(resource, "post", "create", "", f"Create a {kind}.")
            yield (
                "post",
                post | self._with(WRITE) | self._body(resource.model) | answers(one, ("200", "201", "202")),
            )
        if "deletecollection" in resource.verbs:
            delete = self._verb(resource, "deletecollection", "deleteCollection", "", f"Delete {kind} objects.")
            status = self.components.refer(Status)
            body = self._body(DeleteOptions, required=False)
            yield "delete", delete | self._with(_DELETE_ALL) | body | answers(status, ("200",))

    def _of_object(self, resource: Resource) -> Iterator[tuple[str, Document]]:
        kind = resource.kind
        one = self.components.refer(resource.model)
        if "get" in resource.verbs:
            yield "get", self._verb(resource, "get", "read", "", f"Read a {kind}.") | answers(one, ("200",))
        if "update" in resource.verbs:
            yield "put", self._put(resource, "", resource.model)
        if "delete" in resource.verbs:
            delete = self._verb(resource, "delete", "delete", "", f"Delete a {kind}.")
            status = self.components.refer(Status)
            body = self._body(DeleteOptions, required=False)
            yield "delete", delete | self._with(DELETE) | body | answers(status, ("200", "202"))
        if "patch" in resource.verbs:
            yield "patch", self._patch(resource, "", resource.model)

    def _of_part(self, resource: Resource, part: Part) -> Iterator[tuple[str, Document]]:
        model: ModelClass = Scale if part.kind == "Scale" else resource.model
        suffix = part.name[:1].upper() + part.name[1:]
        if "get" in part.verbs:
            read = self._verb(resource, "get", "read", suffix, f"Read the {part.name} of a {resource.kind}.")
            yield "get", read | answers(self.components.refer(model), ("200",))
        yield "put", self._put(resource, suffix, model)
        if "patch" in part.verbs:
            yield "patch", self._patch(resource, suffix, model)

    def _put(self, resource: Resource, suffix: str, model: ModelClass) -> Document:
        about = f"Replace a {resource.kind}{'’s ' + suffix.lower() if suffix else ''}."
        operation = self._verb(resource, "put", "replace", suffix, about) | self._with(WRITE) | self._body(model)
        return operation | answers(self.components.refer(model), ("200", "201"))

    def _patch(self, resource: Resource, suffix: str, model: ModelClass) -> Document:
        patch = self.components.extra(META + "Patch")
        about = f"Change a part of a {resource.kind}{'’s ' + suffix.lower() if suffix else ''}."
        operation = self._verb(resource, "patch", "patch", suffix, about) | self._with((*WRITE, "force"))
        operation["requestBody"] = {"content": {kind: {"schema": patch} for kind in _PATCHES}, "required": True}
        return operation | answers(self.components.refer(model), ("200", "201"))

    def _action(self, resource: Resource, path: str, action: Action, more: str = "") -> None:
        version, suffix = resource.group_version, action.name[:1].upper() + action.name[1:] + more
        scope = "Namespaced" if resource.namespaced else ""
        subject = f"{operation_group(version)}{{}}{scope}{resource.kind}{suffix}"
        operations: dict[str, Document] = {}
        if action.body is not None:
            post = self._operation(action.group_version, action.kind, "post", "create" + subject.format(""),
                                   f"Create the {action.name} of a {resource.kind}.")  # fmt: skip
            answer = answers(self.components.refer(action.body), ("200", "201", "202"))
            operations["post"] = post | self._body(action.body) | answer
            self._item(path, self._shared(resource, "name"), operations, WRITE)
            return
        for method in action.methods:
            if action.name == "log":
                operation = self._operation(version, action.kind, "get", "read" + subject.format(""),
                                            "Read what a container wrote.")  # fmt: skip
                operation |= answers({"type": "string"}, ("200",), (*JSON, "text/plain"))
            else:
                operation = self._operation(
                    version, action.kind, "connect", "connect" + subject.format(method.capitalize()),
                    f"Connect to the {action.name} of a {resource.kind}.",
                )  # fmt: skip
                operation |= answers({"type": "string"}, ("200",), ("*/*",))
            operations[method] = operation
        names = (*self._shared(resource, "name"), *action.parameters)
        self.items[path] = {**operations, "parameters": [parameter(name, path) for name in sorted(names)]}
