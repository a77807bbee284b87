"""Counts what the listings of commands have left out, as their events say: the commands end before a metric is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest.shared.bounds import MOST_REASONS
from ingest.shared.errors import IngestError
from ingest.shared.messages import ListingAccount, decode
from ingest.shared.telemetry import metrics
from ingest.shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

NUMBER = re.compile(r"[0-9][0-9.,:-]*")
OTHER = "another reason"
log = get_logger(__name__)
_reasons: set[str] = set()


def account_in(data: bytes) -> ListingAccount | None:
    """Return the account in the data of an event, or None when it is none."""
    try:
        return decode(ListingAccount, data)
    except IngestError:
        return None


def count(accounts: Iterable[ListingAccount]) -> None:
    """Count the items of accounts in the metric, and log them."""
    for account in accounts:
        log.info("listing_left_out", at=account.at.isoformat(), left_out=account.left_out)
        for reason, number in account.left_out.items():
            metrics.LEFT_OUT.labels(_label(reason)).inc(number)


def _label(reason: str) -> str:
    """Return a reason without numbers; the metric has a bounded number of reasons."""
    label = NUMBER.sub("N", reason)
    if label not in _reasons and len(_reasons) >= MOST_REASONS:
        return OTHER
    _reasons.add(label)
    return label
