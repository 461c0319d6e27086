"""Who may ask motion for what: strangers take no authority, leave no stop they have not seen, open no contacts."""

import dataclasses

import pytest

from helpers.following import WALL, moving, start, tool
from vipa.motion import permission
from vipa_cli.bench.ideal_robot import drive, pose_chunk


def granted():
    motion, cell = start([WALL])
    motion.set_authority("")
    motion.set_authority("policy", "task_manager")
    drive(motion, cell, 0.3)
    return motion, cell


def test_authority_is_changed_by_who_holds_it_or_granted_it():
    motion, _ = granted()
    assert permission.authority(motion, "thief", "thief") == (
        "'policy' holds the authority, granted by 'task_manager'; allowed: one of the two"
    )
    assert permission.authority(motion, "", "thief")  # nor taken away
    assert permission.authority(motion, "", "task_manager") == permission.authority(motion, "teleop", "policy") == ""
    motion.set_authority("", "task_manager")
    assert permission.authority(motion, "thief", "thief") == ""  # while nobody holds it
    assert "holds" not in permission.authority(motion, "teleop", "operator")


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb"])
def test_a_request_wants_a_name(name):
    motion, _ = granted()
    motion.estop("test")
    for why in (
        permission.authority(motion, "x", name),
        permission.context(motion, name, True),
        permission.unnamed(name),
        permission.rearm(motion, name, motion.latch),
    ):
        assert "allowed: a name of 1 to 64 characters" in why


def test_a_stop_is_left_by_its_number():
    motion, cell = moving()
    assert motion.safety(0).latch == 0
    assert permission.rearm(motion, "anna", 0) == "nothing is stopped, and 'commander' holds the authority"
    motion.estop("anna")
    assert motion.safety(0).latch == 1
    motion.estop("ben")  # the same stop, another who wants it: what anna has seen is not this
    drive(motion, cell, 0.5)
    assert permission.rearm(motion, "anna", 1) == "latch 1; allowed: 2, the newest (e-stop: anna; e-stop: ben)"
    assert permission.rearm(motion, "anna", 2) == motion.rearm() == ""
    motion.estop("ben")
    assert permission.rearm(motion, "anna", 2).startswith("latch 2; allowed: 3")


def test_a_cause_that_goes_on_does_not_renumber_its_stop():
    motion, cell = moving()
    for newtons in (50.0, 51.0, 52.0):
        motion.wrench("arm", [0, 0, newtons, 0, 0, 0], cell.now_ns, cell.time)
    assert motion.safety(0).latch == 1


def test_contacts_are_opened_by_who_manages_the_episode_and_end_with_it():
    motion, _cell = granted()
    assert permission.context(motion, "thief", False).startswith("'policy' holds")
    assert permission.context(motion, "thief", True).startswith("'policy' holds")
    assert permission.context(motion, "task_manager", False) == ""
    assert motion.context([["fingers", "wall"]]) == ""
    motion.set_authority("", "task_manager")
    assert motion.safety(0).allowed_contacts == ()
    assert permission.context(motion, "thief", False) == "nobody holds the authority; allowed: the defaults"
    assert permission.context(motion, "task_manager", True) == ""


def test_a_number_sent_in_anothers_name_locks_him_out_of_no_further_epoch():
    motion, cell = moving()
    forged = dataclasses.replace(pose_chunk(motion, "arm", tool(motion), cell.now_ns, 0.1, 0), seq=2**32 - 1)
    assert motion.chunk(forged, cell.now_ns, cell.time) == ""
    true = pose_chunk(motion, "arm", tool(motion), cell.now_ns, 0.1, 12)
    assert motion.chunk(true, cell.now_ns, cell.time) == "seq 12 is not above 4294967295"
    motion.estop("operator")
    drive(motion, cell, 0.5)
    assert motion.rearm() == ""
    assert (
        motion.chunk(dataclasses.replace(true, epoch=motion.epoch, start_ns=cell.now_ns), cell.now_ns, cell.time) == ""
    )
