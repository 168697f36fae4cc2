"""Rank 0's side of parties: who may talk to whom, told again whenever somebody comes or goes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from querist.engines import wire
from querist.engines.wire import Kind, Stamp

if TYPE_CHECKING:
    from querist.engines.mpi_seat import RankSeat


def tell_party(party: str, seats: Iterable[RankSeat]) -> None:
    """Tell the members of a party which of them are ready, and on which ranks they are.

    Args:
        party: Its name; "" for none.
        seats: All that work.
    """
    if not party:
        return
    members = [seat for seat in seats if seat.spec.party == party and seat.ready]
    table = {seat.name: (seat.rank.number, seat.life) for seat in members}
    for seat in members:
        seat.send(Kind.PARTY, Stamp(), wire.dumps(table))
        seat.flush()


def near(party: str, seats: Iterable[RankSeat]) -> set[int]:
    """The nodes on which members of a party are, so that others can be put beside them."""
    return {seat.rank.node for seat in seats if party and seat.spec.party == party}
