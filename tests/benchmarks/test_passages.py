"""Which passages are read from real descriptions, and chosen among them?"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.passages import Description, choose, in_runs, parse_page, parse_stanza, pieces, queries

STANZA = """\
Package: 0xffff
Description-md5: 183c49f6505eb3432d1b069800f1f5b6
Description-en: Open Free Fiasco Firmware Flasher
 0xFFFF implements a free userspace handler
 for the NOLO bootloader.
 .
 Supported operations currently include:
  * generating and unpacking images
  * editing Maemo packages
 .
 Supported are the Nokia 770, N800, N810, N810w, N900, N950 and N9."""

PAGE = """\
LS(1)                                     User Commands                                     LS(1)

NAME
       ls - list directory contents

SYNOPSIS
       ls [OPTION]... [FILE]...

DESCRIPTION
       List information about the FILEs.  Sort entries alphabetically if none of -cftuvSUX
       is specified.

   Exit status:
       0      if OK,

GNU coreutils 9.1                        September 2022                                     LS(1)
"""


def forty(text: str) -> bool:
    return len(text) <= 40


def test_a_stanza_becomes_its_synopsis_and_its_paragraphs() -> None:
    assert parse_stanza(STANZA) == Description(
        name="0xffff",
        synopsis="Open Free Fiasco Firmware Flasher",
        paragraphs=(
            "0xFFFF implements a free userspace handler for the NOLO bootloader.",
            "Supported operations currently include: * generating and unpacking images * editing Maemo packages",
            "Supported are the Nokia 770, N800, N810, N810w, N900, N950 and N9.",
        ),
    )


@pytest.mark.parametrize("stanza", ["", "Package: alone", "Package: other\nDescription-de: Spiel\n Ein Spiel."])
def test_a_stanza_without_an_english_description_is_none(stanza: str) -> None:
    assert parse_stanza(stanza) is None


def test_a_page_becomes_its_purpose_and_its_prose_without_headings() -> None:
    assert parse_page("ls.1", PAGE) == Description(
        name="ls.1",
        synopsis="list directory contents",
        paragraphs=(
            "List information about the FILEs. Sort entries alphabetically if none of -cftuvSUX is specified.",
            "0 if OK,",
        ),
    )


def test_a_page_in_mdocs_form_is_read_too() -> None:
    named = "NAME\n     ssh – OpenSSH remote login client\n"  # noqa: RUF001 (mdoc's dash)
    described = parse_page("ssh.1", named + "\nDESCRIPTION\n     ssh is a program.\n")
    assert described == Description("ssh.1", "OpenSSH remote login client", ("ssh is a program.",))


def test_a_page_that_names_no_purpose_is_none() -> None:
    assert parse_page("empty.1", "\n") is None


@given(st.integers(0, 200), st.integers())
def test_every_unit_is_taken_once(count: int, seed: int) -> None:
    units = [str(number) for number in range(count)]
    assert sorted(in_runs(units, seed)) == sorted(units)


def test_units_come_in_runs_of_neighbours_that_only_the_seed_decides() -> None:
    units = [str(number) for number in range(160)]
    taken = [int(unit) for unit in in_runs(units, 7)]
    assert taken == [int(unit) for unit in in_runs(units, 7)]
    assert taken != [int(unit) for unit in in_runs(units, 8)]
    for start in range(0, 160, 16):
        assert taken[start : start + 16] == list(range(taken[start], taken[start] + 16))


@given(st.text().map(lambda text: " ".join(text.split())), st.integers(1, 50))
def test_pieces_fit_and_nothing_is_lost(text: str, most: int) -> None:
    cut = pieces(text, lambda piece: len(piece) <= most)
    assert all(len(piece) <= most for piece in cut)
    assert all(cut) or cut == [""]
    assert "".join("".join(cut).split()) == "".join(text.split())


def test_a_text_is_cut_at_a_sentence_else_a_word_else_a_character() -> None:
    assert pieces("One sentence. Another one. And a third, which is longer.", forty) == [
        "One sentence. Another one.",
        "And a third, which is longer.",
    ]
    assert pieces("no sentence ends here but there are many words", forty) == [
        "no sentence ends here but there are many",
        "words",
    ]
    assert pieces("-" * 90, forty) == ["-" * 40, "-" * 40, "-" * 10]


def test_passages_keep_their_duplicates_and_their_order() -> None:
    shared = "This package contains the documentation."
    descriptions = [
        Description("a", "A", ("About a.", shared)),
        Description("b", "B", ("About b. " + "It is long. " * 4, shared)),
        Description("c", "C", ("About c.", shared)),
    ]
    chosen = choose(descriptions, 6, forty)
    assert [passage.text for passage in chosen.passages] == [
        "About a.",
        shared,
        "About b. It is long. It is long.",
        "It is long. It is long. ",
        shared,
        "About c.",
    ]
    assert chosen.distinct() == 5
    assert chosen.cut == 1
    assert [description.name for description in chosen.whole] == ["a", "b"]


def test_only_descriptions_that_were_taken_whole_are_searched_for() -> None:
    descriptions = [Description(str(number), f"Synopsis {number}", ("One.", "Two.")) for number in range(30)]
    descriptions[3] = replace(descriptions[3], synopsis="too long " * 9)
    chosen = choose(descriptions, 39, forty)
    drawn = queries(chosen, 18, 0, forty)
    assert {description.name for description in drawn} == {str(number) for number in range(19)} - {"3"}
    assert queries(chosen, 10, 0, forty) == queries(chosen, 10, 0, forty)
    assert len(queries(chosen, 100, 0, forty)) == 18
