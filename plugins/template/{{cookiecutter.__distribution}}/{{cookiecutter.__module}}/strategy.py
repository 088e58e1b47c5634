"""What the strategy is called, what it asks for, and what an operator may set."""

from dataclasses import dataclass
from typing import Annotated

from ostiary import CredentialField, Factor, Strategy


@dataclass(frozen=True, kw_only=True)
class {{ cookiecutter.__class }}Settings:
    """The table ``[plugins.{{ cookiecutter.__slug }}]`` of ``ostiary.toml``."""

    min_length: Annotated[int, "Characters that a new phrase has at least."] = 15

    def __post_init__(self) -> None:
        if self.min_length < 1:
            raise ValueError("minLength must be at least 1")


@dataclass(frozen=True, kw_only=True)
class {{ cookiecutter.__class }}Strategy(Strategy):
    """Users sign in with a member number and a phrase that only they know.

    Pages draw it from what is declared here. For who cannot sign in, such as somebody who has
    forgotten the phrase, declare ``forms``: actions of this plugin that pages draw as well.
    """

    name: str = "{{ cookiecutter.__slug }}"
    label: str = {{ cookiecutter.__name_in_python }}
    fields: tuple[CredentialField | str, ...] = (
        CredentialField("member", label="Member number"),
        CredentialField("phrase", label="Secret phrase", kind="password", secret=True),
    )
    factors: tuple[Factor, ...] = ("knowledge",)
    identifier: str | None = "member"
    refusal: str = "Wrong member number or phrase."
    settings: {{ cookiecutter.__class }}Settings = {{ cookiecutter.__class }}Settings()
