"""The service's TLS certificate. Whoever renews it replaces its files; they are read again without a restart."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from ledger.errors import Misconfigured

if TYPE_CHECKING:
    from pathlib import Path

RENEW_EVERY = 60.0


class Tls:
    """A certificate with its chain, and its key, as PEM files. Raises Misconfigured."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.certificate, self._key = certificate, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._loaded = self._stamps()
        self._load()

    def renew(self) -> None:
        """Read the files again if they have changed. Connections that begin after it have the new certificate."""
        stamps = self._stamps()
        if stamps != self._loaded:
            self._load()
            self._loaded = stamps

    def _load(self) -> None:
        try:
            self.context.load_cert_chain(self.certificate, self._key, password=lambda: "")
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            words = f"the TLS certificate {self.certificate} with key {self._key} cannot be used: {error}"
            raise Misconfigured(f"{words}. Check FEEDFALL_TLS_CERT_FILE and FEEDFALL_TLS_KEY_FILE") from error

    def _stamps(self) -> tuple[int, ...]:
        try:
            return tuple(file.stat().st_mtime_ns for file in (self.certificate, self._key))
        except OSError:
            return ()


async def renew_for_ever(tls: Tls) -> None:
    """Look for a renewed certificate for ever. A bad one is logged, and the last good one stays."""
    logged = ""
    while True:
        await asyncio.sleep(RENEW_EVERY)
        words = ""
        try:
            tls.renew()
        except Misconfigured as error:
            words = str(error)
        if words and words != logged:
            print(f"TLS {words}", flush=True)  # noqa: T201 -- the pod's log
        logged = words
