"""Reads job definitions into the classes of BMC's own client, and writes them again. Runs in that client's Python.

python control_m_client.py FILE…      exit 0: each came back the same; the client knows every property and value
"""

from __future__ import annotations

import enum
import json
import sys
import typing
from pathlib import Path

import aapi  # noqa: F401 -- it defines every class
import attrs
from aapi.bases import AAPIObject

#: Where a parent keeps its children, by their class; an action is kept in do_list.
CONTAINERS = {"Job": "job_list", "IfBase": "if_list"}


def classes(kind: type = AAPIObject) -> dict[str, type]:
    """Every class of the client that has a Type of its own, by it."""
    found = {}
    for each in kind.__subclasses__():
        fields = attrs.fields_dict(each) if attrs.has(each) else {}
        if "_type" in fields:
            found.setdefault(fields["_type"].metadata["_type_aapi_"], each)
        found.update({name: cls for name, cls in classes(each).items() if name not in found})
    return found


def read(name: str, node: dict[str, typing.Any], kinds: dict[str, type]) -> AAPIObject:
    """The object that a node stands for. Raises KeyError for an unknown property, ValueError for an unknown value."""
    kind = kinds[node["Type"]]
    fields = {each.metadata["_aapi_repr_"]: each for each in attrs.fields(kind) if "_aapi_repr_" in each.metadata}
    inner = [key for key, value in node.items() if isinstance(value, dict) and "Type" in value]
    given = {fields[key].name: plain(kind, key, node[key]) for key in node if key != "Type" and key not in inner}
    made = kind(name, **{key.lstrip("_"): value for key, value in given.items()})
    for key in inner:
        child = read(key, node[key], kinds)
        names = [each.__name__ for each in type(child).__mro__]
        container = next((CONTAINERS[each] for each in names if each in CONTAINERS), "do_list")
        getattr(made, container).append(child)
    return made


def plain(kind: type, key: str, value: object) -> object:
    """A property's value: an enumeration's member, a nested object, or the value itself."""
    own = getattr(kind, key, None)
    if isinstance(own, type) and issubclass(own, enum.Enum):
        return own(value)
    if isinstance(own, type) and attrs.has(own):
        names = {each.metadata["_aapi_repr_"]: each.name for each in attrs.fields(own)}
        return own(**{names[inner]: plain(own, inner, each) for inner, each in value.items()})
    return value


def untyped(node: object) -> object:
    """Without the Type of an action: version 2.6.6 reads it, and forgets to write it within If:CompletionStatus."""
    if not isinstance(node, dict):
        return node
    return {key: untyped(each) for key, each in node.items() if not (key == "Type" and str(each).startswith("Action:"))}


def main() -> None:
    kinds = classes()
    for file in sys.argv[1:]:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
        for name, node in document.items():
            back = json.loads(read(name, node, kinds).dumps_aapi())
            assert untyped(back) == untyped(node), f"{file}: {name} came back otherwise"


main()
