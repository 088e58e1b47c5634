"""What to tell who chose a password that is too easy to guess."""

from __future__ import annotations

from collections.abc import Iterable

GENERAL = (
    "Take several words that have nothing to do with each other.",
    "Length helps more than digits and symbols do.",
)

_SENTENCES = {
    # What zxcvbn warns of.
    "StraightRowsOfKeysAreEasyToGuess": "Neighbouring keys are tried early.",
    "ShortKeyboardPatternsAreEasyToGuess": "A short path over the keyboard is tried early.",
    "RepeatsLikeAaaAreEasyToGuess": "A character that is repeated adds next to nothing.",
    "RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess": "What is repeated adds next to nothing.",
    "ThisIsATop10Password": "This is one of the ten passwords that are used most.",
    "ThisIsATop100Password": "This is one of the hundred passwords that are used most.",
    "ThisIsACommonPassword": "Many people use this password.",
    "ThisIsSimilarToACommonlyUsedPassword": "This is close to a password that many people use.",
    "SequencesLikeAbcAreEasyToGuess": "Characters in their order, such as fgh or 8765, are tried early.",
    "RecentYearsAreEasyToGuess": "A year of our time is tried early.",
    "AWordByItselfIsEasyToGuess": "A single word is found in a dictionary.",
    "DatesAreOftenEasyToGuess": "There are few dates, and all of them are tried.",
    "NamesAndSurnamesByThemselvesAreEasyToGuess": "A single name is found in a list of names.",
    "CommonNamesAndSurnamesAreEasyToGuess": "Names are found in lists of names.",
    # What it suggests.
    "UseAFewWordsAvoidCommonPhrases": "Take several words that do not usually stand together.",
    "NoNeedForSymbolsDigitsOrUppercaseLetters": "It needs no digits, symbols or capitals.",
    "AddAnotherWordOrTwo": "Add a word or two, rather rare ones.",
    "CapitalizationDoesntHelpVeryMuch": "A capital at the beginning hardly helps.",
    "AllUppercaseIsAlmostAsEasyToGuessAsAllLowercase": "Writing all in capitals hardly helps.",
    "ReversedWordsArentMuchHarderToGuess": "Writing a word backwards hardly helps.",
    "PredictableSubstitutionsDontHelpVeryMuch": "Writing @ for a, or 0 for o, hardly helps.",
    "UseALongerKeyboardPatternWithMoreTurns": "If it is a path over the keyboard, let it be long and winding.",
    "AvoidRepeatedWordsAndCharacters": "Say nothing twice.",
    "AvoidSequences": "Leave out characters that follow each other.",
    "AvoidRecentYears": "Leave out years of our time.",
    "AvoidYearsThatAreAssociatedWithYou": "Leave out years that have to do with you.",
    "AvoidDatesAndYearsThatAreAssociatedWithYou": "Leave out dates and years that have to do with you.",
}
"""Our sentences, by what zxcvbn calls its findings."""


def sentences(findings: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for each of zxcvbn's findings, or general ones if it names none that we know."""
    return tuple(_SENTENCES[one] for one in findings if one in _SENTENCES) or GENERAL
