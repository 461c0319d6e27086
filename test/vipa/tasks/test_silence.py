"""Of what a commander says while it sends nothing, the reason that stood longest is kept."""

from vipa.tasks.silence import Silence

S = 1_000_000_000


def test_the_longest_reason_is_kept_and_not_the_last():
    silence = Silence(0)
    silence.heard("policy p: no answer within 2 s", 1 * S)
    for second in (2, 3):
        silence.heard(f"policy p: no answer within {second} s", second * S)  # one reason, whatever its numbers
    silence.heard("joint state is 0.31 s old; allowed: 0.2 s", int(4.5 * S))
    assert silence.longest(5 * S) == "policy p: no answer within 3 s"
    assert silence.seconds(5 * S) == 5.0


def test_nothing_heard_is_a_reason_as_well():
    silence = Silence(0)
    assert silence.longest(5 * S) == ""
    silence.heard("late", 4 * S)
    assert silence.longest(5 * S) == ""
    assert silence.longest(9 * S) == "late"


def test_a_chunk_begins_anew():
    silence = Silence(0)
    silence.heard("camera scene: no frame yet", 1 * S)
    silence.heard("", 10 * S)
    silence.heard("late", 11 * S)
    assert silence.seconds(12 * S) == 2.0 and silence.longest(13 * S) == "late"
