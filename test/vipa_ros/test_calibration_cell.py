"""What moves the arm for a calibration leaves it to others, however it ends."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")

from vipa.errors import VipaError
from vipa.recording import topics
from vipa_ros.calibration.cell import Cell


class Moved:
    """A calibration's cell without a graph."""

    guided, _release, close = Cell.guided, Cell._release, Cell.close

    def __init__(self):
        self.taken, self.authority, self.sent = False, False, []
        self.moves = SimpleNamespace(take=lambda: self.has(True), release=lambda: self.has(False))
        self.services_ = SimpleNamespace(send=lambda name, request: self.sent.append(name))

    async def has(self, authority):
        self.authority = authority


class Forever:
    def __await__(self):
        while True:
            yield


def test_one_that_fails_gives_the_authority_back():
    async def fails():
        raise VipaError("no path")

    cell = Moved()
    with pytest.raises(VipaError, match="no path"):
        cell.guided(fails).send(None)
    assert not cell.authority
    cell.close()
    assert not cell.sent


@pytest.mark.filterwarnings("error")
def test_one_that_is_interrupted_sends_it_back_on_the_way_out():
    async def lasts():
        await Forever()

    cell = Moved()
    run = cell.guided(lasts)
    run.send(None)
    run.close()  # raises where the coroutine awaits on its way out
    assert cell.authority
    cell.close()
    assert cell.sent == [topics.SET_AUTHORITY]
