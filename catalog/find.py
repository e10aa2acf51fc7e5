"""Finds feeds by their name: one file a feed, the file's name is the feed's name.

A team may keep its feeds in a package of its own: FEEDFALL_FEEDS names the packages that are looked through, in order.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from catalog import Feed

PACKAGES = ("feeds",)


class UnknownFeed(LookupError):  # noqa: N818 -- reads as what it says
    """No such feed, or no such package of feeds; the text says what there is."""


def load(name: str, packages: Sequence[str] = PACKAGES) -> Feed:
    """Import the file of one feed, and only that one. Raises UnknownFeed."""
    module = name.replace("-", "_")
    for package in packages:
        _check(package)
        if module.isidentifier() and module != "partners" and find_spec(f"{package}.{module}"):
            found = [value for value in vars(import_module(f"{package}.{module}")).values() if isinstance(value, Feed)]
            for feed in found:
                if feed.name == name:
                    return feed
    raise UnknownFeed(f"no feed {name!r}: there are {', '.join(names(packages)) or 'none'}")


def names(packages: Sequence[str] = PACKAGES) -> Iterator[str]:
    """The names of all feeds, by their files, without importing one."""
    for package in packages:
        _check(package)
        for module in iter_modules(import_module(package).__path__):
            if not module.ispkg:
                yield module.name.replace("_", "-")


def every(packages: Sequence[str] = PACKAGES) -> list[Feed]:
    """All feeds, imported, in the order of their names."""
    return [load(name, packages) for name in sorted(names(packages))]


def _check(package: str) -> None:
    try:
        if find_spec(package):
            return
    except ModuleNotFoundError:
        pass
    raise UnknownFeed(f"FEEDFALL_FEEDS names {package}, which is no package here: install it, or correct the setting")
