"""Issuers that are many: one for each tenant, as with Microsoft Entra."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ostiary_oauth.provider import Provider

PLACEHOLDER = "{tenantid}"
"""What stands for the tenant in the issuer of all of them, as their metadata write it."""

TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class WrongTenant(ValueError):
    """The account is of no tenant that may sign in."""


def issuer_of(provider: Provider, claims: Mapping[str, Any]) -> str:
    """Return what ``iss`` of an account has to be.

    :raises WrongTenant: it is of none of the tenants of the settings, or does not say of which.
    """
    tenant = claims.get("tid")
    if provider.tenants and tenant not in provider.tenants:
        raise WrongTenant
    if PLACEHOLDER not in provider.issuer:
        return provider.issuer
    # What is put into an issuer must not be able to make it another's.
    if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
        raise WrongTenant
    return provider.issuer.replace(PLACEHOLDER, tenant)


def is_issuer(provider: Provider, issuer: object) -> bool:
    """Tell whether an issuer is the provider, or one of its tenants; exactly (RFC 9207, 2.4)."""
    if PLACEHOLDER not in provider.issuer:
        return issuer == provider.issuer
    before, _, after = provider.issuer.partition(PLACEHOLDER)
    pattern = re.escape(before) + TENANT.pattern + re.escape(after)
    return isinstance(issuer, str) and re.fullmatch(pattern, issuer, re.ASCII) is not None
