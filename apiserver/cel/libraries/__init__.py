"""The functions that expressions may call, a library a module."""

from apiserver.cel.libraries.authorizer import AUTHORIZER
from apiserver.cel.libraries.format import FORMAT
from apiserver.cel.libraries.lists import LISTS
from apiserver.cel.libraries.network import NETWORK
from apiserver.cel.libraries.optionals import OPTIONALS
from apiserver.cel.libraries.quantity import QUANTITY
from apiserver.cel.libraries.regex import REGEX
from apiserver.cel.libraries.semver import SEMVER
from apiserver.cel.libraries.sets import SETS
from apiserver.cel.libraries.standard import STANDARD
from apiserver.cel.libraries.strings import STRINGS
from apiserver.cel.libraries.time import TIME
from apiserver.cel.libraries.url import URLS

KUBERNETES = (
    *(STANDARD, TIME, OPTIONALS, STRINGS, LISTS, SETS, REGEX),
    *(URLS, NETWORK, QUANTITY, FORMAT, SEMVER, AUTHORIZER),
)
"""What every expression in Kubernetes may use.

https://kubernetes.io/docs/reference/using-api/cel/#cel-options-language-features-and-libraries
"""

__all__ = ["KUBERNETES"]
