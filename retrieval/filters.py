"""The language of `--where`, and how it is read. `docs/filters.md` explains it to users.

    folder:"Holiday 2019" and taken>=2019-06 and camera~canon and width>2000 and not format=PNG

expression   comparisons joined by `and`, `or`, `not`, with parentheses
comparison   field, operator, value
operator     `:` fits   `=` is   `!=` is not   `~` contains   `!~` does not   `<` `<=` `>` `>=`
value        up to the next blank or parenthesis; in quotes if it holds one
"""

import difflib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from indexer.filters import AllOf, AnyOf, Condition, Not
from retrieval.filter_fields import FIELDS, Operator, WrongValueError
from retrieval.query import QueryError

if TYPE_CHECKING:
    from pyparsing import ParserElement

LONGEST = 10_000
"""Letters of an expression."""

MOST_COMPARISONS = 200
"""SQLite follows an expression a thousand levels deep."""

OPERATORS: tuple[Operator, ...] = ("!~", "!=", ">=", "<=", ":", "=", "~", ">", "<")


class FilterError(QueryError):
    """The filter cannot be understood: one line, with `^` before the place."""


def parse_filter(text: str) -> Condition:
    """Reads a filter. FilterError says where it cannot be read and what to write instead."""
    from pyparsing import ParseBaseException

    if len(text) > LONGEST:
        raise FilterError(f"the filter has {len(text)} letters: at most {LONGEST} are read")
    if not text.strip():
        raise FilterError("the filter is empty: write one such as width>2000 or folder:Holiday")
    try:
        condition: Condition = _grammar().parse_string(text, parse_all=True)[0]
    except ParseBaseException as error:
        raise FilterError(_with_caret(text, error.loc, _advice(text, error))) from None
    except RecursionError:
        raise FilterError("the filter has too many parentheses within one another") from None
    if _n_comparisons(condition) > MOST_COMPARISONS:
        raise FilterError(f"the filter has more than {MOST_COMPARISONS} comparisons")
    return condition


@cache
def _grammar() -> "ParserElement":
    """`-` in place of `+` means that what follows is certain: errors point behind it."""
    import pyparsing as pp

    ends = pp.WordEnd(pp.alphanums + "_")
    and_, or_, not_ = (pp.Suppress(pp.CaselessLiteral(word) + ends) for word in _WORDS)
    name = pp.Regex(r"[A-Za-z_]+").set_parse_action(_field)
    operator = pp.one_of(OPERATORS).set_name("an operator")
    quoted = pp.QuotedString('"', esc_char="\\") | pp.QuotedString("'", esc_char="\\")
    bare = pp.Regex(r"[^\s()\"']+").set_parse_action(lambda found: (found[0], True))
    text = quoted.set_parse_action(lambda found: (found[0], False))
    value = pp.Group(pp.Empty().set_parse_action(_place) + (text | bare)).set_name("a value")
    comparison = (name - operator - value).set_parse_action(_comparison)

    either = pp.Forward()
    inner = pp.Suppress("(") - either - pp.Suppress(")")
    single = pp.Forward()
    denied = (not_ - single).set_parse_action(lambda found: Not(condition=found[0]))
    single <<= inner | denied | comparison
    both = (single + (and_ - single)[...]).set_parse_action(_joined(AllOf))
    either <<= (both + (or_ - both)[...]).set_parse_action(_joined(AnyOf))
    return either


_WORDS = ("and", "or", "not")


def _field(text: str, place: int, found: Any) -> None:
    name = found[0].lower()
    if name in _WORDS:
        _stop(text, place, "a comparison such as width>2000 belongs here")
    if name not in FIELDS:
        near = difflib.get_close_matches(name, FIELDS, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        _stop(text, place, f"no field is called {found[0]}: {meant}fields are {', '.join(FIELDS)}")


def _place(text: str, place: int, found: Any) -> int:
    return place


def _comparison(text: str, place: int, found: Any) -> Condition:
    name, operator, (value_place, (value, bare)) = found
    try:
        condition: Condition = FIELDS[name.lower()](operator, value, bare)
    except WrongValueError as error:
        _stop(text, value_place if error.of_value else place, str(error))
    return condition


def _joined(kind: type[AllOf] | type[AnyOf]) -> Callable[[str, int, Any], Condition]:
    def join(text: str, place: int, found: Any) -> Condition:
        return found[0] if len(found) == 1 else kind(conditions=tuple(found))

    return join


def _stop(text: str, place: int, advice: str) -> NoReturn:
    from pyparsing import ParseFatalException

    raise ParseFatalException(text, place, advice)


def _advice(text: str, error: Any) -> str:
    before, rest = text[: error.loc].rstrip(), text[error.loc :].strip()
    if not error.msg.startswith(("Expected", "Found")):  # so begin pyparsing's own
        return str(error.msg)
    if error.msg == "Expected a value":
        if rest[:1] in ("'", '"'):
            return f"this quote is never closed: write {rest[0]} at the end of the value"
        return "a value belongs here, such as width>2000; in quotes if it holds blanks or brackets"
    if error.msg == "Expected an operator":
        return f"an operator belongs here, one of {'  '.join(OPERATORS)}"
    if not before or before.endswith("(") or before.split()[-1].lower() in _WORDS:
        return "a comparison such as width>2000 belongs here"
    if rest.startswith(")"):
        return "this parenthesis was never opened"
    if not rest:
        return "a closing parenthesis belongs here"
    return "'and', 'or', or the end belongs here; a value of several words needs quotes"


def _with_caret(text: str, place: int, advice: str) -> str:
    """The filter with `^` before the place that is wrong, and what to do."""
    line = " ".join(f"{text[:place]}^{text[place:]}".split())
    return f"cannot read the filter at ^: {line} ({advice})"


def _n_comparisons(condition: Condition) -> int:
    if isinstance(condition, AllOf | AnyOf):
        return sum(_n_comparisons(one) for one in condition.conditions)
    return _n_comparisons(condition.condition) if isinstance(condition, Not) else 1
