"""What the README tells is what the plugin has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ostiary_oauth import errors
from ostiary_oauth.catalogue import RECIPES, Recipe
from ostiary_oauth.settings import OAuthSettings, StrategySettings, providers
from ostiary_oauth.settings.passport import CredentialSettings, key_of

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^ *```toml\n(.*?)^ *```$", README, re.DOTALL | re.MULTILINE)
TOLD = set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL)))


@pytest.mark.parametrize("owner", [OAuthSettings, StrategySettings, CredentialSettings])
def test_each_setting_is_told(owner: type) -> None:
    keys = {key_of(owner, name) for name in owner.__dataclass_fields__}  # type: ignore[attr-defined]
    assert keys <= TOLD


def test_each_error_is_told() -> None:
    declared = {
        one.id.removeprefix(f"plugin.{errors.WIRE_NAME}.")
        for one in vars(errors).values()
        if getattr(one, "id", "").startswith(f"plugin.{errors.WIRE_NAME}.")
    }
    assert len(declared) > 20
    assert declared <= TOLD


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.kind)
def test_each_ready_made_provider_is_told_with_what_it_asks_for_and_keeps(recipe: Recipe) -> None:
    (row,) = (line for line in README.splitlines() if line.startswith(f"| `{recipe.kind}` |"))
    _, _, _, scope, identifier, kept, email, _ = row.split("|")
    assert set(re.findall(r"[^\s,`]+", scope)) == set(recipe.scope)
    assert set(re.findall(r"`([^`]+)`", identifier)) == set(recipe.identifiers)
    assert set(re.findall(r"`([^`]+)`", kept)) == set(recipe.persist)
    verifies = recipe.email_verified is not None or recipe.emails is not None
    assert ("never" in email) == (not verifies and bool(recipe.identifiers))


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_each_example_is_right(example: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret", encoding="utf-8")
    text = re.sub(r'"/etc/ostiary/[\w-]+"', f'"{secret}"', example)
    table = tomllib.loads(text)["plugins"]["oauth"]
    for strategy in table.get("strategies", {}).values():
        if strategy.keys() == {"profiles"}:
            # It goes on with the strategy of another example.
            work = next(one for one in EXAMPLES if "[plugins.oauth.strategies.work]" in one)
            work = re.sub(r'"/etc/ostiary/[\w-]+"', f'"{secret}"', work)
            strategy.update(tomllib.loads(work)["plugins"]["oauth"]["strategies"]["work"])
    assert len(providers(table)) == len(table.get("strategies", {}))
