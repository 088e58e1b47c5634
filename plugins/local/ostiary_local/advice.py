"""What to tell who chose a password that is too easy to guess."""

from __future__ import annotations

from collections.abc import Iterable

from ostiary import mark

GENERAL = (
    mark("Take several words that have nothing to do with each other."),
    mark("Length helps more than digits and symbols do."),
)

_SENTENCES = {
    # What zxcvbn warns of.
    "StraightRowsOfKeysAreEasyToGuess": mark("Neighbouring keys are tried early."),
    "ShortKeyboardPatternsAreEasyToGuess": mark("A short path over the keyboard is tried early."),
    "RepeatsLikeAaaAreEasyToGuess": mark("A character that is repeated adds next to nothing."),
    "RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess": mark("What is repeated adds next to nothing."),
    "ThisIsATop10Password": mark("This is one of the ten passwords that are used most."),
    "ThisIsATop100Password": mark("This is one of the hundred passwords that are used most."),
    "ThisIsACommonPassword": mark("Many people use this password."),
    "ThisIsSimilarToACommonlyUsedPassword": mark(
        "This is close to a password that many people use."
    ),
    "SequencesLikeAbcAreEasyToGuess": mark(
        "Characters in their order, such as fgh or 8765, are tried early."
    ),
    "RecentYearsAreEasyToGuess": mark("A year of our time is tried early."),
    "AWordByItselfIsEasyToGuess": mark("A single word is found in a dictionary."),
    "DatesAreOftenEasyToGuess": mark("There are few dates, and all of them are tried."),
    "NamesAndSurnamesByThemselvesAreEasyToGuess": mark(
        "A single name is found in a list of names."
    ),
    "CommonNamesAndSurnamesAreEasyToGuess": mark("Names are found in lists of names."),
    # What it suggests.
    "UseAFewWordsAvoidCommonPhrases": mark(
        "Take several words that do not usually stand together."
    ),
    "NoNeedForSymbolsDigitsOrUppercaseLetters": mark("It needs no digits, symbols or capitals."),
    "AddAnotherWordOrTwo": mark("Add a word or two, rather rare ones."),
    "CapitalizationDoesntHelpVeryMuch": mark("A capital at the beginning hardly helps."),
    "AllUppercaseIsAlmostAsEasyToGuessAsAllLowercase": mark(
        "Writing all in capitals hardly helps."
    ),
    "ReversedWordsArentMuchHarderToGuess": mark("Writing a word backwards hardly helps."),
    "PredictableSubstitutionsDontHelpVeryMuch": mark("Writing @ for a, or 0 for o, hardly helps."),
    "UseALongerKeyboardPatternWithMoreTurns": mark(
        "If it is a path over the keyboard, let it be long and winding."
    ),
    "AvoidRepeatedWordsAndCharacters": mark("Say nothing twice."),
    "AvoidSequences": mark("Leave out characters that follow each other."),
    "AvoidRecentYears": mark("Leave out years of our time."),
    "AvoidYearsThatAreAssociatedWithYou": mark("Leave out years that have to do with you."),
    "AvoidDatesAndYearsThatAreAssociatedWithYou": mark(
        "Leave out dates and years that have to do with you."
    ),
}
"""Our sentences, by what zxcvbn calls its findings."""


def sentences(findings: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for each of zxcvbn's findings, or general ones if it names none that we know."""
    return tuple(_SENTENCES[one] for one in findings if one in _SENTENCES) or GENERAL
