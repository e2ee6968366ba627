"""Who a caller is (authentication.k8s.io/v1)."""

from typing import Annotated

from api.meta_v1 import ObjectMeta
from api.model import Int64, Model, NotRequired, Required, ZeroTime, null, struct


class BoundObjectReference(Model):
    apiVersion: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""


class TokenRequestSpec(Model):
    audiences: list[str] = []
    boundObjectRef: BoundObjectReference | None = None
    expirationSeconds: Int64 | None = None


class TokenRequestStatus(Model):
    expirationTimestamp: ZeroTime = null()
    token: Annotated[str, NotRequired()]


class TokenRequest(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: TokenRequestSpec = struct()
    status: TokenRequestStatus = struct()


class TokenReviewSpec(Model):
    audiences: list[str] = []
    token: Annotated[str, Required()] = ""


class UserInfo(Model):
    extra: dict[str, list[str]] = {}
    groups: list[str] = []
    uid: str = ""
    username: str = ""


class TokenReviewStatus(Model):
    audiences: list[str] = []
    authenticated: bool = False
    error: str = ""
    user: UserInfo = struct()


class TokenReview(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    spec: Annotated[TokenReviewSpec, Required()] = struct()
    status: TokenReviewStatus = struct()


class SelfSubjectReviewStatus(Model):
    userInfo: UserInfo = struct()


class SelfSubjectReview(Model):
    apiVersion: str = ""
    kind: str = ""
    metadata: ObjectMeta = struct()
    status: SelfSubjectReviewStatus = struct()
