"""AuthorizationConfiguration: which authorizers are asked, in which order, several webhooks among them.

https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/#apiserver-config-k8s-io-v1-AuthorizationConfiguration
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from api.duration import parse_duration
from api.model import Model, Required
from apiserver.authentication.flags import AuthenticationOptions
from apiserver.authorization.match_conditions import match_conditions
from apiserver.authorization.webhook import WebhookSettings
from apiserver.configuration_file import ConfigurationError, read_configuration
from apiserver.webhook_kubeconfig import target_of_kubeconfig

_VERSIONS = tuple(f"apiserver.config.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
_FAILURES = {"NoOpinion": None, "Deny": False}


class WebhookMatchCondition(Model):
    """expression: CEL over `request`, the spec of the SubjectAccessReview."""

    expression: Annotated[str, Required()] = ""


class WebhookConnectionInfo(Model):
    """type: KubeConfigFile.
    kubeConfigFile: Where that file is.
    """

    type: Annotated[str, Required()] = ""
    kubeConfigFile: str = ""


class WebhookConfiguration(Model):
    """authorizedTTL: How long a yes is kept.
    unauthorizedTTL: How long a no is kept.
    cacheAuthorizedRequests: Whether a yes is kept.
    cacheUnauthorizedRequests: Whether a no is kept.
    timeout: How long the webhook may take.
    subjectAccessReviewVersion: v1 or v1beta1.
    matchConditionSubjectAccessReviewVersion: v1, what conditions see.
    failurePolicy: NoOpinion or Deny, without an answer.
    connectionInfo: Where it is.
    matchConditions: All must hold for the webhook to be asked.
    """

    authorizedTTL: str = ""
    unauthorizedTTL: str = ""
    cacheAuthorizedRequests: bool | None = None
    cacheUnauthorizedRequests: bool | None = None
    timeout: str = ""
    subjectAccessReviewVersion: str = ""
    matchConditionSubjectAccessReviewVersion: str = ""
    failurePolicy: str = ""
    connectionInfo: WebhookConnectionInfo | None = None
    matchConditions: list[WebhookMatchCondition] = []


class AuthorizerConfiguration(Model):
    """type: Webhook, Node, RBAC, AlwaysAllow or AlwaysDeny.
    name: Tells webhooks apart.
    webhook: Of the type Webhook.
    """

    type: Annotated[str, Required()] = ""
    name: Annotated[str, Required()] = ""
    webhook: WebhookConfiguration | None = None


class AuthorizationConfiguration(Model):
    """authorizers: In the order in which they are asked."""

    kind: str = ""
    apiVersion: str = ""
    authorizers: list[AuthorizerConfiguration] = []


def flagged_webhook(options: AuthenticationOptions) -> WebhookSettings:
    """The webhook of `--authorization-mode Webhook`.  Raises ConfigurationError."""
    if options.authorization_webhook_config_file is None:
        raise ConfigurationError("authorization-mode Webhook's authorization config file not passed")
    return WebhookSettings(
        target_of_kubeconfig(options.authorization_webhook_config_file),
        options.authorization_webhook_version,
        options.authorization_webhook_cache_authorized_ttl,
        options.authorization_webhook_cache_unauthorized_ttl,
    )


def read_authorizers(path: Path, types: tuple[str, ...]) -> list[str | WebhookSettings]:
    """The types of authorizers in their order, webhooks as their settings.  Raises ConfigurationError."""
    configuration = read_configuration(path, AuthorizationConfiguration, _VERSIONS)
    found: list[str | WebhookSettings] = []
    names: set[str] = set()
    if not configuration.authorizers:
        raise ConfigurationError(f"{path}: authorizers: at least one authorization mode must be defined")
    for index, each in enumerate(configuration.authorizers):
        where = f"{path}: authorizers[{index}]"
        if each.type not in types:
            raise ConfigurationError(f"{where}.type is {each.type!r} and not one of {', '.join(types)}")
        if not each.name or each.name in names:
            raise ConfigurationError(f"{where}.name is missing or not the only one of that name")
        names.add(each.name)
        if each.type != "Webhook":
            if each.type in found or each.webhook is not None:
                raise ConfigurationError(f"{where}: {each.type} can be there once and has no webhook")
            found.append(each.type)
        elif each.webhook is None:
            raise ConfigurationError(f"{where}.webhook is required")
        else:
            found.append(_webhook(each.name, each.webhook, f"{where}.webhook", path.parent))
    return found


def _webhook(name: str, given: WebhookConfiguration, where: str, folder: Path) -> WebhookSettings:
    connection = given.connectionInfo
    if connection is None or connection.type != "KubeConfigFile" or not connection.kubeConfigFile:
        raise ConfigurationError(f"{where}.connectionInfo must be of type KubeConfigFile and name the file")
    if given.subjectAccessReviewVersion not in ("v1", "v1beta1"):
        raise ConfigurationError(f"{where}.subjectAccessReviewVersion must be v1 or v1beta1")
    if given.failurePolicy not in _FAILURES:
        raise ConfigurationError(f"{where}.failurePolicy must be one of {', '.join(_FAILURES)}")
    if given.matchConditions and given.matchConditionSubjectAccessReviewVersion != "v1":
        raise ConfigurationError(f"{where}.matchConditionSubjectAccessReviewVersion must be v1")
    timeout = _seconds(given.timeout, f"{where}.timeout", 0)
    if not 0 < timeout <= 30:
        raise ConfigurationError(f"{where}.timeout is required and at most 30s")
    authorized = _seconds(given.authorizedTTL, f"{where}.authorizedTTL", 300)
    unauthorized = _seconds(given.unauthorizedTTL, f"{where}.unauthorizedTTL", 30)
    expressions = [condition.expression for condition in given.matchConditions]
    return WebhookSettings(
        target_of_kubeconfig(folder / connection.kubeConfigFile),
        given.subjectAccessReviewVersion,
        0 if given.cacheAuthorizedRequests is False else authorized,
        0 if given.cacheUnauthorizedRequests is False else unauthorized,
        timeout,
        _FAILURES[given.failurePolicy],
        match_conditions(expressions, f"{where}.matchConditions") if expressions else None,
        name,
    )


def _seconds(text: str, where: str, default: float) -> float:
    try:
        seconds = parse_duration(text) if text else default
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    if seconds < 0:
        raise ConfigurationError(f"{where} must not be negative")
    return seconds or default
