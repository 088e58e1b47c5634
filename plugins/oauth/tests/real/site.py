"""The pages of an application, on a server of its own."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ostiary.testing.server import free_port


@dataclass
class Site:
    """The pages of an application, at two addresses."""

    port: int = field(default_factory=free_port)

    @property
    def beside(self) -> str:
        """The origin that is the same site as the server."""
        return f"http://localhost:{self.port}"

    @property
    def elsewhere(self) -> str:
        """The origin that is a site of its own."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def serving(self, *folders: Path) -> Iterator[None]:
        handler = functools.partial(_Pages, folders=folders)
        with http.server.ThreadingHTTPServer(("127.0.0.1", self.port), handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield
            server.shutdown()
            thread.join()


class _Pages(http.server.SimpleHTTPRequestHandler):
    """Hands out files, whatever query they are asked for with, and says nothing."""

    def __init__(self, *words: Any, folders: tuple[Path, ...]) -> None:
        self._folders = folders
        super().__init__(*words)

    def translate_path(self, path: str) -> str:
        name = path.partition("?")[0].rpartition("/")[2]
        found = [folder / name for folder in self._folders if name and (folder / name).is_file()]
        return str(found[0] if found else self._folders[0] / "index.html")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""
