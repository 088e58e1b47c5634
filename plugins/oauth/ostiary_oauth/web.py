"""Asking a provider, who may be slow, large, wrong or hostile."""

from __future__ import annotations

from ostiary_oauth.provider import Provider


class Web:
    """Asks one provider over connections of its own."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
