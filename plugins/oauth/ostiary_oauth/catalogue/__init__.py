"""The providers that are ready-made: each is data, and settings complete it."""

from __future__ import annotations

from ostiary_oauth.catalogue.openid import OPENID
from ostiary_oauth.catalogue.plain import PLAIN
from ostiary_oauth.catalogue.recipe import Recipe

__all__ = ["RECIPES", "Recipe"]

RECIPES = {recipe.kind: recipe for recipe in (*OPENID, *PLAIN)}
"""By what `provider` calls them."""
