"""How numbers are written, the same on pages, in files and in the API: no exponent, no zeros at
the end, and 0 as `0`. Quantities have at most four decimals, as they are stored; means and shares
have no end and are rounded to four."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

PLACES = 4
_EXACT = Context(prec=60)


def round_number(value: Decimal, *, places: int = PLACES) -> Decimal:
    """To at most so many decimals, half to even."""
    if -int(value.as_tuple().exponent) <= places:
        return value
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, _EXACT)


def write_number(value: Decimal, *, places: int = PLACES) -> str:
    """A number with a decimal point, rounded to at most so many decimals."""
    text = format(round_number(value, places=places), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text
