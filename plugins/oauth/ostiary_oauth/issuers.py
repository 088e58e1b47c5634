"""Who vouches for an account: one issuer, or one for each tenant of a provider that has many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary_oauth import errors
from ostiary_oauth.provider import Provider

TENANT = "{tenantid}"
"""What stands in the issuer of a provider for the tenant of an account (Microsoft's own word)."""

TENANT_CLAIM = "tid"
LONGEST = 512


def has_tenants(provider: Provider) -> bool:
    """Tell whether the issuer of an account depends on its tenant."""
    return TENANT in provider.issuer


def issues(provider: Provider, issuer: str) -> bool:
    """Tell whether an issuer vouches for accounts of a provider."""
    if not has_tenants(provider):
        return issuer == provider.issuer
    before, after = provider.issuer.split(TENANT, 1)
    tenant = issuer.removeprefix(before).removesuffix(after)
    return issuer == before + tenant + after and tenant.isprintable() and "/" not in tenant != ""


def named(provider: Provider, credentials: Mapping[str, Any]) -> str:
    """Return who vouches for an account that an administrator names.

    :raises errors.MissingIdentifier: its tenant is not named.
    """
    if not has_tenants(provider):
        return provider.issuer
    tenant = credentials.get(TENANT_CLAIM)
    if not isinstance(tenant, str) or not tenant:
        raise errors.MissingIdentifier(TENANT_CLAIM)
    issuer = provider.issuer.replace(TENANT, tenant)
    if not issues(provider, issuer) or len(issuer) > LONGEST or not _is_tenant(provider, tenant):
        raise errors.InvalidAttribute(TENANT_CLAIM)
    return issuer


def _is_tenant(provider: Provider, tenant: str) -> bool:
    return not provider.tenants or tenant in provider.tenants
