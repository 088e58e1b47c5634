"""Running the application under uvicorn, in one process or several."""

from __future__ import annotations

import uvicorn
from uvicorn.supervisors import Multiprocess

from ostiary.app import MakeApplication
from ostiary.settings import Settings
from ostiary.storage import StorageError

PING_EVERY, PING_WAIT = 30.0, 30.0
KEEP_ALIVE = 75
GRACE = 10
"""Seconds that running requests get when the server is told to stop."""


def run(settings: Settings) -> None:
    """Serve until a signal says stop."""
    server = settings.server
    config = uvicorn.Config(
        MakeApplication(settings),
        factory=True,
        host=server.host,
        port=server.port,
        workers=server.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(server.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in server.trusted_proxies],
        ws="websockets-sansio",
        ws_max_size=server.max_request_size,
        ws_ping_interval=PING_EVERY,
        ws_ping_timeout=PING_WAIT,
        ws_per_message_deflate=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        lifespan="on",
    )
    program = uvicorn.Server(config)
    if server.workers > 1:
        Multiprocess(config, target=program.run, sockets=[config.bind_socket()]).run()
        return
    program.run()
    if not program.started:
        raise StorageError("the server could not start; the log says why")
