"""Finds feeds by their name: one file a feed, the file's name is the feed's name.

A team may keep its feeds in a package of its own: FEEDFALL_FEEDS names the packages that are looked through, in order.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from traceback import walk_tb

from catalog import Feed

PACKAGES = ("feeds",)


class UnknownFeed(LookupError):  # noqa: N818 -- reads as what it says
    """No such feed, or no such package of feeds; the text says what there is."""


class BrokenFeed(UnknownFeed):
    """A feed's file is there and gives no feed of that name; the text says where, and what to write."""


class SharedFeed(UnknownFeed):
    """Two feeds with one name (so with one topic), or with one table; the text says which two."""


def load(name: str, packages: Sequence[str] = PACKAGES) -> Feed:
    """Import the file of one feed, and only that one. Raises UnknownFeed, BrokenFeed, SharedFeed."""
    module = name.replace("-", "_")
    files = [f"{package}.{module}" for package in packages if _has(package, module)]
    if len(files) > 1:
        raise SharedFeed(f"{' and '.join(files)} are two feeds named {name!r}, on one topic: rename one of them")
    if not files:
        raise UnknownFeed(f"no feed {name!r}: there are {', '.join(names(packages)) or 'none'}")
    return _read(files[0], name)


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
    by_table: dict[tuple[str, str], list[str]] = {}
    for feed in found.values():
        by_table.setdefault((feed.database, feed.table), []).append(feed.name)
    for (_, table), sharing in by_table.items():
        if len(sharing) > 1:
            unusable |= dict.fromkeys(sharing, f"two feeds share the table {table}: give each its own")
    return [feed for name, feed in found.items() if name not in unusable], unusable


def _read(file: str, name: str) -> Feed:
    """The feed of a file that is there. Raises BrokenFeed."""
    try:
        found = [value for value in vars(import_module(file)).values() if isinstance(value, Feed)]
    except (Exception, SystemExit) as error:  # whatever a file does when it is imported
        raise BrokenFeed(f"its file cannot be imported: {file}{_line(error, file)}: {_words(error)}") from error
    for feed in found:
        if feed.name == name:
            _check_partner(feed)
            return feed
    there = f"the feed {found[0].name!r}" if found else "no feed"
    raise BrokenFeed(f"{file} holds {there}, and a file has the name of its feed: write Feed({name!r}, …) into it")


def _line(error: BaseException, file: str) -> str:
    """The line of the file at which its import ended."""
    frames = (frame for frame, _ in walk_tb(error.__traceback__) if frame.f_globals.get("__name__") == file)
    lines = [frame.f_lineno for frame in frames]
    return f", line {lines[-1]}" if lines else ""


def _words(error: BaseException) -> str:
    """What was raised; a sentence of ours stands alone."""
    return str(error) if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: {error}"


def _check_partner(feed: Feed) -> None:
    """Raises BrokenFeed for a partner that relay could not import."""
    if feed.partner is None:
        return
    try:
        if find_spec(feed.partner):
            return
    except ModuleNotFoundError:
        pass
    raise BrokenFeed(f"feed {feed.name!r}: partner={feed.partner!r} is no module here: write it, or correct the name")


def _has(package: str, module: str) -> bool:
    _check(package)
    if not module.isidentifier() or module == "__init__":
        return False
    spec = find_spec(f"{package}.{module}")
    return spec is not None and spec.submodule_search_locations is None  # a folder, such as partners, is no feed


def _check(package: str) -> None:
    try:
        if find_spec(package):
            return
    except ModuleNotFoundError:
        pass
    raise UnknownFeed(f"FEEDFALL_FEEDS names {package}, which is no package here: install it, or correct the setting")
