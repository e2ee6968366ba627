"""The functions that expressions may call, a library a module."""

from cel.libraries.authorizer import AUTHORIZER
from cel.libraries.format import FORMAT
from cel.libraries.lists import LISTS
from cel.libraries.network import NETWORK
from cel.libraries.optionals import OPTIONALS
from cel.libraries.quantity import QUANTITY
from cel.libraries.regex import REGEX
from cel.libraries.semver import SEMVER
from cel.libraries.sets import SETS
from cel.libraries.standard import STANDARD
from cel.libraries.strings import STRINGS
from cel.libraries.time import TIME
from cel.libraries.url import URLS

KUBERNETES = (
    *(STANDARD, TIME, OPTIONALS, STRINGS, LISTS, SETS, REGEX),
    *(URLS, NETWORK, QUANTITY, FORMAT, SEMVER, AUTHORIZER),
)
"""What every expression in Kubernetes may use.

https://kubernetes.io/docs/reference/using-api/cel/#cel-options-language-features-and-libraries
"""

__all__ = ["KUBERNETES"]
