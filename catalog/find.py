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


class SharedFeed(UnknownFeed):
    """Two feeds with one name (so with one topic), or with one table; the text says which two."""


def load(name: str, packages: Sequence[str] = PACKAGES) -> Feed:
    """Import the file of one feed, and only that one. Raises UnknownFeed, SharedFeed."""
    module = name.replace("-", "_")
    files = [f"{package}.{module}" for package in packages if _has(package, module)]
    if len(files) > 1:
        raise SharedFeed(f"{' and '.join(files)} are two feeds named {name!r}, on one topic: rename one of them")
    for file in files:
        for value in vars(import_module(file)).values():
            if isinstance(value, Feed) and value.name == name:
                return value
    raise UnknownFeed(f"no feed {name!r}: there are {', '.join(names(packages)) or 'none'}")


def names(packages: Sequence[str] = PACKAGES) -> Iterator[str]:
    """The names of all feeds, by their files, without importing one."""
    for package in packages:
        _check(package)
        for module in iter_modules(import_module(package).__path__):
            if not module.ispkg:
                yield module.name.replace("_", "-")


def every(packages: Sequence[str] = PACKAGES) -> list[Feed]:
    """All feeds, imported, in the order of their names. Raises SharedFeed."""
    found = [load(name, packages) for name in sorted(names(packages))]
    tables: dict[tuple[str, str], str] = {}
    for feed in found:
        other = tables.setdefault((feed.database, feed.table), feed.name)
        if other != feed.name:
            raise SharedFeed(
                f"feeds {other!r} and {feed.name!r} share the table {feed.table}: give one of them its own"
            )
    return found


def usable(packages: Sequence[str] = PACKAGES) -> tuple[list[Feed], dict[str, str]]:
    """All feeds that can be served, and why the others cannot: name → a sentence. Raises UnknownFeed for a package."""
    found: dict[str, Feed] = {}
    unusable: dict[str, str] = {}
    for name in sorted(set(names(packages))):
        try:
            found[name] = load(name, packages)
        except UnknownFeed as error:
            unusable[name] = str(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a file does when it is imported
            unusable[name] = f"its file cannot be imported: {type(error).__name__}: {error}"
    by_table: dict[tuple[str, str], list[str]] = {}
    for feed in found.values():
        by_table.setdefault((feed.database, feed.table), []).append(feed.name)
    for (_, table), sharing in by_table.items():
        if len(sharing) > 1:
            unusable |= dict.fromkeys(sharing, f"two feeds share the table {table}: give each its own")
    return [feed for name, feed in found.items() if name not in unusable], unusable


def _has(package: str, module: str) -> bool:
    _check(package)
    return module.isidentifier() and module != "partners" and find_spec(f"{package}.{module}") is not None


def _check(package: str) -> None:
    try:
        if find_spec(package):
            return
    except ModuleNotFoundError:
        pass
    raise UnknownFeed(f"FEEDFALL_FEEDS names {package}, which is no package here: install it, or correct the setting")
