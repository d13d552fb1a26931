"""What does the query of `GET /v1/usage` ask for? Every parameter is checked, and no other is taken."""

from collections.abc import Sequence
from datetime import date, timedelta

from embedge.core.usage_groups import Dimension
from embedge.errors import InvalidValue, UnknownParameter
from embedge.usage import Question

LONGEST_DAYS = 92
USUAL_DAYS = 7
GROUPS: tuple[Dimension, ...] = ("day", "model", "bot", "project")
PARAMETERS = ("days", "start", "end", "group_by")
# Names projects elsewhere, where the embeddings call takes it: clients add it to every URL.
_ELSEWHERE = "ai_project_id"


def read_question(parameters: Sequence[tuple[str, str]], today: date) -> Question:
    """Return which days and groups are asked for. Raises: UnknownParameter, InvalidValue."""
    given: dict[str, str] = {}
    for name, value in parameters:
        if name == _ELSEWHERE:
            continue
        if name not in PARAMETERS:
            raise UnknownParameter(f"Unknown parameter. This call takes {', '.join(PARAMETERS)}.", param=None)
        if name in given:
            raise InvalidValue(f"'{name}' stands in the URL more than once.", param=name)
        given[name] = value
    first, last = _days(given, today)
    return Question(first, last, _groups(given.get("group_by")))


def _days(given: dict[str, str], today: date) -> tuple[date, date]:
    last = _date(given, "end") or today
    if "days" in given:
        if "start" in given:
            raise InvalidValue("'days' counts back from 'end': give it or 'start', not both.", param="days")
        return _back(last, _number(given["days"])), last
    first = _date(given, "start") or _back(last, USUAL_DAYS)
    if first > last:
        raise InvalidValue(
            "'start' is after 'end'; both are days in UTC, and 'end' is today by default.", param="start"
        )
    if (last - first).days >= LONGEST_DAYS:
        raise InvalidValue(f"'start' and 'end' are at most {LONGEST_DAYS} days apart, both included.", param="start")
    return first, last


def _back(last: date, days: int) -> date:
    """Return the first of so many days; the calendar begins with the year 1."""
    return last - timedelta(days=min(days, last.toordinal()) - 1)


def _number(text: str) -> int:
    if not (
        text.isascii() and text.isdecimal() and len(text) <= len(str(LONGEST_DAYS)) and 1 <= int(text) <= LONGEST_DAYS
    ):
        raise InvalidValue(f"'days' is a whole number from 1 to {LONGEST_DAYS}, 'end' included.", param="days")
    return int(text)


def _date(given: dict[str, str], name: str) -> date | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise InvalidValue(f"'{name}' is a day in UTC such as 2026-11-29.", param=name)
    return day


def _groups(text: str | None) -> tuple[Dimension, ...]:
    if text is None:
        return ()
    named = text.split(",")
    chosen: tuple[Dimension, ...] = tuple(one for one in GROUPS if one in named)
    if len(chosen) != len(named):
        raise InvalidValue(
            f"'group_by' is one or more of {', '.join(GROUPS)}, each once, with commas between.", param="group_by"
        )
    return tuple(sorted(chosen, key=named.index))
