"""Who a caller is (authentication.k8s.io/v1)."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import AlwaysPresent, Int64, Model, NotRequired, Required, ZeroTime, null, struct


class BoundObjectReference(Model):
    """The object a token is bound to: without it the token is invalid.

    name: The object's name.
    uid: The object's uid.
    """

    apiVersion: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""


class TokenRequestSpec(Model):
    """What token is wanted.

    audiences: Whom the token is for; the API server when empty.
    boundObjectRef: The object whose end is the token's end.
    expirationSeconds: Seconds the token is to be valid; an hour when unset.
    """

    audiences: list[str] = []
    boundObjectRef: Annotated[BoundObjectReference | None, AlwaysPresent()] = null()
    expirationSeconds: Int64 | None = None


class TokenRequestStatus(Model):
    """The token.

    expirationTimestamp: When it ends.
    token: The token itself.
    """

    expirationTimestamp: ZeroTime = null()
    token: Annotated[str, NotRequired()]


class TokenRequest(Model):
    """Asks for a token of a service account."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: TokenRequestSpec = struct()
    status: TokenRequestStatus = struct()


class TokenReviewSpec(Model):
    """The token in question.

    audiences: Whom the token must be for; the API server when empty.
    token: The token itself.
    """

    audiences: list[str] = []
    token: Annotated[str, Required()] = ""


class UserInfo(Model):
    """Who somebody is.

    extra: What else is known.
    groups: Groups of the user.
    uid: Identifies the user for all time.
    username: The user's name.
    """

    extra: dict[str, list[str]] = {}
    groups: list[str] = []
    uid: str = ""
    username: str = ""


class TokenReviewStatus(Model):
    """Whose token it is.

    audiences: Whom the token is for, of those asked for.
    authenticated: Whether the token is valid.
    error: What is wrong with it.
    user: Whose it is.
    """

    audiences: list[str] = []
    authenticated: bool = False
    error: str = ""
    user: UserInfo = struct()


class TokenReview(Model):
    """Asks whose token one is."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[TokenReviewSpec, Required()] = struct()
    status: TokenReviewStatus = struct()


class SelfSubjectReviewStatus(Model):
    """Who one is.

    userInfo: The user.
    """

    userInfo: UserInfo = struct()


class SelfSubjectReview(Model):
    """Asks who one is."""

    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    status: SelfSubjectReviewStatus = struct()
