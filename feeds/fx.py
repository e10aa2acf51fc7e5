"""The ECB's euro reference rates: one row a currency and a TARGET day, published at about 16:00 in Frankfurt."""

from datetime import time

from catalog import BaseDate, Currency, Feed, Positive, Row


class FxRate(Row):
    """One currency's ECB reference rate on a base date."""

    base_date: BaseDate
    currency: Currency
    rate: Positive  # units of the currency for one euro


FX = Feed(
    "fx",
    row=FxRate,
    key=("base_date", "currency"),
    table="fx_rate",
    calendar="TARGET",
    order=time(16, 5),
    due=time(17, 0),
    zone="Europe/Brussels",
    partner="feeds.partners.ecb",
)
