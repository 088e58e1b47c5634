"""The commands for operators, ``ostiary local …``: accounts in and out, and lists of passwords."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostiary import Command, CommandError, Workplace
from ostiary_local import accounts
from ostiary_local.strategy import LocalStrategy

if TYPE_CHECKING:
    from ostiary.commands import Stores
    from ostiary_local.transfer.importing import Importer

WANTED = "yes"


def commands() -> Iterable[Command]:
    """Return the commands of the plugin."""
    from ostiary_local import list_commands

    return (
        Command("import", import_.__doc__ or "", import_, _import_arguments, _import_stores),
        Command("export", export.__doc__ or "", export, _export_arguments),
        *list_commands.COMMANDS,
    )


async def import_(options: argparse.Namespace, place: Workplace) -> None:
    """Bring accounts from elsewhere, with their passwords or the hashes of them."""
    from ostiary_local.transfer import files
    from ostiary_local.transfer.entries import Reader
    from ostiary_local.transfer.importing import Importer, Wishes

    strategy = place.strategies["local"]
    assert isinstance(strategy, LocalStrategy)
    format_ = files.format_of(options.file, options.format)
    reader = Reader(strategy, _parameters(options.hash_parameters), accounts.now())
    wishes = Wishes(
        wrap=options.wrap,
        check=options.check,
        skip=options.on_existing == "skip",
        join=options.join,
    )
    importer = Importer(place, reader, wishes)
    with files.opened(options.file) as stream:
        await importer.bring(files.lines(stream, format_))
    _report(place, importer, check=options.check)


async def export(options: argparse.Namespace, place: Workplace) -> None:
    """Write every account into a file, with the hashes of passwords: it is a secret."""
    from ostiary_local.transfer import exporting, files

    if not options.yes:
        _confirm()
    with exporting.new_file(options.file) as out:
        count = await exporting.export(place, out)
    if options.file != files.STANDARD:
        place.tell(f"{count} accounts are in {options.file}. Whoever has it can guess passwords.")


def _import_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file", metavar="FILE", help="CSV with a header, or JSON Lines; - reads standard input"
    )
    command.add_argument(
        "--format", choices=("csv", "jsonl"), help="if the name of the file does not tell"
    )
    command.add_argument(
        "--hash-parameters",
        type=Path,
        metavar="FILE",
        help="an object of JSON with what all hashes share, such as Firebase's signer key",
    )
    command.add_argument(
        "--wrap",
        action="store_true",
        help="hash the hashes once more, so that a thief of the store finds no weak one",
    )
    command.add_argument("--check", action="store_true", help="only tell what would be done")
    command.add_argument(
        "--on-existing",
        choices=("fail", "skip"),
        default="fail",
        help="what to do with an account of which a name or the kuid is taken by another",
    )
    command.add_argument(
        "--join",
        action="store_true",
        help="give accounts to users who are there already, by their kuid, and have none",
    )


def _import_stores(options: argparse.Namespace) -> Stores:
    return "there" if options.check else "made"


def _export_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file",
        nargs="?",
        default="-",
        metavar="FILE",
        help="a new file; - or nothing is standard output",
    )
    command.add_argument("--yes", action="store_true", help="do not ask")


def _parameters(file: Path | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        parameters = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    except ValueError:
        raise CommandError(f"{file}: is no JSON") from None
    if not isinstance(parameters, dict):
        raise CommandError(f"{file}: wanted: an object")
    return parameters


def _report(place: Workplace, importer: Importer, *, check: bool) -> None:
    from ostiary_local.transfer.importing import ENDS

    if check:
        place.tell("Nothing was written. It would be:")
    place.tell(", ".join(f"{importer.ends[end]} {end}" for end in ENDS))
    if importer.weak:
        place.tell(
            f"{importer.weak} hashes are weak, without salt or cheap to guess: {_advice(check)}"
        )
    if refused := importer.ends["refused"]:
        raise CommandError(f"{refused} of {importer.ends.total()} lines are refused")


def _advice(check: bool) -> str:
    if check:
        return "import them with --wrap"
    return (
        "each is replaced at its user's next login; --wrap makes them strong at once, but only "
        "when they are imported first"
    )


def _confirm() -> None:
    """Go on only if whoever sits at the terminal wants to."""
    if not sys.stdin.isatty():
        raise CommandError("nothing was exported: there is no terminal to ask at; use --yes")
    sys.stderr.write("The file will hold what passwords can be guessed from. Type yes to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != WANTED:
        raise CommandError("nothing was exported")
