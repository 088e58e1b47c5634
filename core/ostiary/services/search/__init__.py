"""Searching: two query languages become one tree of filters, and that one SQL."""

from __future__ import annotations

from ostiary.services.search.service import FEW, SCROLL, Found, Page, Search

__all__ = ["FEW", "SCROLL", "Found", "Page", "Search"]
