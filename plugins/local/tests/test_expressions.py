"""Expressions of policies: what JavaScript finds is found, and what it cannot read is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary_local import expressions
from ostiary_local.expressions import Unreadable

Ask = Callable[[str, str, str], bool | None]

SCRIPT = """
require("readline").createInterface({input: process.stdin}).on("line", (line) => {
  const [source, flags, text] = JSON.parse(line);
  let found = null;
  try { found = new RegExp(source, flags).test(text); } catch (error) {}
  console.log(JSON.stringify(found));
});
"""

SIGNS = "aAbBsSkK01_-é .,/:&|~[]{}^$\n\r\t\u2028\ufeff\u0085"
ATOMS = [
    *("a", "S", "k", "1", "_", "-", "&&", "~~", "é", " ", ".", "^", "$", r"\d", r"\D", r"\w", r"\W"),
    *(r"\s", r"\S", r"\b", r"\B", r"\t", r"\n", r"\cJ", r"\x41", r"\u00e9", r"\/", r"\.", r"\["),
    *("[a-k]", "[^a-k]", r"[\w-]", r"[^\W_]", r"[\D]", r"[\s1]", "[[:alpha:]]", "[]", "[^]"),
    *("[a&&b]", "[--.]", r"[\b]", r"[\]]", "[$^.|]", r"[\u0080-\uffff]", r"[^\u0080-\uffff]"),
    *("{", "}", "{,2}", "a{", "]"),
]  # fmt: skip


@pytest.fixture(scope="module")
def javascript(missing: Callable[[str, str], NoReturn]) -> Iterator[Ask]:
    """Ask a real JavaScript whether an expression is found; None if it is none."""
    node = shutil.which("node")
    if node is None:
        missing("Node.js", "apt-get install nodejs npm")
    with subprocess.Popen(
        [node, "-e", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:

        def ask(source: str, flags: str, text: str) -> bool | None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps([source, flags, text]) + "\n")
            process.stdin.flush()
            found: bool | None = json.loads(process.stdout.readline())
            return found

        yield ask
        assert process.stdin is not None
        process.stdin.close()


def found(written: str, text: str) -> bool:
    return expressions.read(written).found_in(text)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeated = st.sampled_from(["*", "+?", "?", "{2}", "{1,}", "{0,2}"])
    groups = st.sampled_from(["(?:{})", "({})", "(?={})", "(?!{})", "(?<={})", "(?<!{})"])
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, repeated).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(groups, inner).map(lambda pair: pair[0].replace("{}", pair[1])),
    )


sources = st.recursive(st.sampled_from(ATOMS), grown, max_leaves=8)
flags_of = st.sets(st.sampled_from("ims")).map(lambda some: "g" + "".join(sorted(some)))


@settings(max_examples=600)
@given(source=sources, flags=flags_of, text=st.text(SIGNS, max_size=12))
def test_an_expression_finds_what_it_finds_in_javascript(
    javascript: Ask, source: str, flags: str, text: str
) -> None:
    assert found(f"/{source}/{flags}", text) == javascript(source, flags, text)


@pytest.mark.parametrize("unicode", ["g", "gu"])
@pytest.mark.parametrize("text", ["", "aa", "ab", "abb", "a-a-", "ba"])
@pytest.mark.parametrize(
    "source",
    [
        *(r"^(a)\1$", r"^(?<one>a)\k<one>$", r"(?<$>a)b\k<$>?", r"^(?:(a)|b)\1"),
        *(r"^(?=(?<one>a))(?=.*-).{4}$", r"^((a)(b))\3\1?$", r"(a){0}\1b"),
    ],
)  # fmt: skip
def test_what_a_group_has_found_is_found_again(
    javascript: Ask, source: str, text: str, unicode: str
) -> None:
    assert found(f"/{source}/{unicode}", text) == javascript(source, unicode, text)


@pytest.mark.parametrize("unicode", ["g", "gu"])
@pytest.mark.parametrize(
    "source",
    [
        *("*", "a**", "a++", "(", "a)", "[a", "[z-a]", "a{2,1}", "(?P<n>a)", "(?>a)", "(?#a)"),
        *("(?i)a", "(?|a)", "(?1)", "(?R)", "(*FAIL)", r"(?<n>a)\k<m>", "(?<n>a", "(?<1>a)", "\\"),
    ],
)
def test_what_javascript_cannot_read_is_refused(javascript: Ask, source: str, unicode: str) -> None:
    if javascript(source, unicode, "a") is None:
        with pytest.raises(Unreadable):
            expressions.read(f"/{source}/{unicode}")
    else:
        # JavaScript has a meaning for it, which nobody means who writes it.
        assert source == r"(?<n>a)\k<m>"


@pytest.mark.parametrize(
    "written, why",
    [
        ("", "no expression"),
        ("//", "no expression"),
        ("/a/", "without slashes"),
        ("/a/x", "flags are"),
        ("/a/ii", "at most once"),
        ("/a/I", "flags are"),
        (r"\Aa\Z", "no escape of JavaScript"),
        (r"\p{Lu}", "needs the flag u"),
        (r"\u{e9}", "needs the flag u"),
        (r"/\u{110000}/u", "no character"),
        (r"/\p{Nonsense}/u", "unknown property"),
        ("/a{/u", "has to be written"),
        (r"/[\w-a]/u", "range"),
        (r"(a)\2", "group"),
    ],
)
def test_what_is_probably_a_mistake_is_refused(written: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        expressions.read(written)


@pytest.mark.parametrize("written", ["B", "/B/g", "/b/i", "A/B", "/^b/m", "/a.b/s", r"/\u{42}/u"])
def test_flags_mean_what_they_mean(written: str) -> None:
    assert found(written, "A/B\nb\na\rb")


def test_an_expression_is_searched_unless_it_is_to_stay_at_the_beginning() -> None:
    assert found("/b/g", "ab")
    assert not found("/b/y", "ab")
    assert found("/a/y", "ab")


def test_a_character_is_one_whatever_its_plane() -> None:
    for written in ("^.$", "/^.$/u", r"^\ud83d\ude00$", r"/^\p{Emoji}$/u", "^[😀-😂]$"):
        assert found(written, "😀")
    assert found(r"/^\p{Lu}\P{Lu}$/u", "Éé")


def test_what_is_asked_for_with_capitals_ignored_is_no_letter_of_ascii() -> None:
    """A small s is no sign, though the long s, a capital of which is S, is none of ASCII."""
    for written in (r"/\W/i", r"/[\W]/i", r"/[\u0080-\uffff]/i", r"/[^\w]/i"):
        assert not found(written, "skiSKI")
        assert found(written, "é")


def test_an_expression_that_would_search_for_ages_is_given_up_and_holds_nobody_up() -> None:
    """AUTH-16."""
    endless, gave_up = expressions.read("(?=(a+)+$)"), []

    def search() -> None:
        try:
            endless.found_in("a" * 4095 + "!")
        except TimeoutError:
            gave_up.append(True)

    thread, turns = threading.Thread(target=search), 0
    thread.start()
    while thread.is_alive():
        turns += 1
        time.sleep(0)
    assert gave_up == [True]
    # Had it kept the interpreter, there would have been one turn or two.
    assert turns > 20
