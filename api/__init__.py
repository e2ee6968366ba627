"""The Kubernetes API as Python types: the one source of truth for every built-in kind.

`api` imports nothing else of the project.  Everything the project knows about an object's shape
(decoding, what is left out on the wire, list-map keys, patch strategies, OpenAPI) is written here
once, as pydantic models, and read by the server, the client and the components.
"""
