"""Processes are started, watched and removed; nothing of theirs is left."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vipa.errors import VipaError
from vipa_ros.bringup import environment, supervisor
from vipa_ros.bringup.process import ProcessSpec
from vipa_ros.bringup.supervisor import Supervisor, dead_shared_memory, remove_dead_shared_memory
from vipa_ros.common import lifeline

SLEEPER = "import time; print('awake', flush=True); time.sleep(60)"
SLOW = (  # to end
    "import signal, sys, time\ndef end(*_):\n    time.sleep(0.5)\n    print('said goodbye', file=open(sys.argv[1] + '/farewell', 'w'))"
    "\n    sys.exit()\nsignal.signal(signal.SIGTERM, end); print('awake', flush=True); time.sleep(60)"
)
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('awake', flush=True); time.sleep(60)"
)


@pytest.fixture
def programs(monkeypatch):
    """Lets a spec's executable be Python source instead of a node."""
    monkeypatch.setattr(supervisor, "command", lambda spec, folder: [sys.executable, "-c", spec.executable])


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(process):
    return process.poll() is None


def test_the_leaders_end_is_the_end(programs, tmp_path):
    specs = [ProcessSpec("a", SLEEPER), ProcessSpec("leader", "raise SystemExit(7)", leader=True)]
    with Supervisor(specs, dict(os.environ), tmp_path) as graph:
        assert graph.wait() == ("leader", 7)
        assert alive(graph.processes["a"])
    assert not alive(graph.processes["a"])


def test_a_node_that_dies_is_named_with_its_last_lines(programs, tmp_path):
    specs = [
        ProcessSpec("leader", SLEEPER, leader=True),
        ProcessSpec("weak", "print('about to fall', flush=True); raise SystemExit(3)"),
    ]
    with Supervisor(specs, dict(os.environ), tmp_path) as graph:
        assert graph.wait() == ("weak", 3)
        wait_for(lambda: graph.last_lines("weak") == ["about to fall"])
    assert (tmp_path / "weak.log").read_text(encoding="utf-8") == "about to fall\n"


def test_what_respawns_is_started_again_and_ends_with_the_graph(programs, tmp_path):
    """The leader ends the graph once the servo has been started a third time."""
    count = tmp_path / "count"
    falls = f"open({str(count)!r}, 'a').write('x'); raise SystemExit(1)"
    leader = f"import time\nwhile not (__import__('os').path.exists({str(count)!r}) and open({str(count)!r}).read() == 'xxx'): time.sleep(0.02)"
    specs = [
        ProcessSpec("leader", leader, leader=True),
        ProcessSpec("servo", falls, respawn=True),
        ProcessSpec("steady", SLEEPER, respawn=True),
    ]
    with Supervisor(specs, dict(os.environ), tmp_path) as graph:
        assert graph.wait() == ("leader", 0)
        assert alive(graph.processes["steady"])
    assert not alive(graph.processes["steady"])


def test_a_process_that_ignores_the_interrupt_is_killed(programs, tmp_path):
    with Supervisor([ProcessSpec("a", STUBBORN)], dict(os.environ), tmp_path) as graph:
        wait_for(lambda: graph.last_lines("a"))
    assert graph.processes["a"].returncode == -signal.SIGKILL


TIED = "from vipa_ros.common import lifeline; lifeline.tie(); "
KEEPER = f"""
import os, sys, time
from vipa_ros.bringup import environment, supervisor
from vipa_ros.bringup.process import ProcessSpec
supervisor.command = lambda spec, folder: [sys.executable, "-c", spec.executable, str(folder)]
domain = environment.Domain()
specs = [ProcessSpec("node", {TIED + SLEEPER!r}), ProcessSpec("slow", {TIED + SLOW!r})]
specs.append(ProcessSpec("servo", {TIED + SLEEPER!r}, respawn=True))
with supervisor.Supervisor(specs, dict(os.environ), sys.argv[1], held=(domain.handle,)) as graph:
    while len([t for t in graph.tails.values() if t]) < 3:
        time.sleep(0.01)
    print(domain.id, *(p.pid for p in graph.processes.values()), flush=True)
    time.sleep(60)
"""


def taken(lock):
    with open(lock, "rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def test_everybody_ends_with_who_started_them_and_holds_the_domain_until_then(tmp_path):
    """`slow` takes half a second to end."""
    env = {**os.environ, "TMPDIR": str(tmp_path)}  # domains of its own, that nobody else takes meanwhile
    keeper = subprocess.Popen(
        [sys.executable, "-c", KEEPER, str(tmp_path)], stdout=subprocess.PIPE, text=True, encoding="utf-8", env=env
    )
    domain, *pids = map(int, keeper.stdout.readline().split())
    lock = tmp_path / f"vipa-domain-{domain}.lock"
    assert len(pids) == 3 and all(map(lifeline.is_running, pids)) and taken(lock)
    keeper.kill()
    keeper.wait()
    while lifeline.is_running(pids[1]):
        held = taken(lock)
        assert held or not lifeline.is_running(pids[1])
        time.sleep(0.01)
    assert "said goodbye" in (tmp_path / "farewell").read_text(encoding="utf-8")
    wait_for(lambda: not any(map(lifeline.is_running, pids)) and not taken(lock))


def test_who_is_started_too_late_ends_at_once():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    env = {**os.environ, lifeline.PARENT: str(ended.pid)}
    done = subprocess.run(
        [sys.executable, "-c", TIED + "print('lived on')"],
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1 and done.stdout == ""


ORPHAN = (  # waits for ever once it is asked to end
    "import signal, time; from vipa_ros.common import lifeline; lifeline.ORPHAN_GRACE_S = 0.2; lifeline.tie()\n"
    "def asked(number, frame):\n    lifeline.bound_end()\n    signal.sigwait({signal.SIGUSR1})\n"
    "signal.signal(signal.SIGTERM, asked); print('ready', flush=True); time.sleep(60)"
)


def test_an_orphan_that_cannot_end_is_ended_by_the_kernel(tmp_path):
    parent = (
        "import os, subprocess, sys, time; from vipa_ros.common import lifeline\n"
        f"line, env = [sys.executable, '-c', {ORPHAN!r}], {{**os.environ, **lifeline.environment()}}\n"
        "child = subprocess.Popen(line, env=env, stdout=subprocess.PIPE); child.stdout.readline()\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    pid = int(process.stdout.readline())
    assert lifeline.is_running(pid)
    process.kill()
    process.wait()
    wait_for(lambda: not lifeline.is_running(pid))


def test_a_log_that_cannot_be_written_stops_no_node(programs, tmp_path, capsys):
    """More than a pipe holds, to a log on a disk that is full."""
    (tmp_path / "talker.log").symlink_to("/dev/full")
    talker = "print('x' * 300_000, flush=True); print('all said', flush=True)"
    with Supervisor([ProcessSpec("talker", talker)], dict(os.environ), tmp_path) as graph:
        assert graph.wait() == ("talker", 0)
        wait_for(lambda: "all said" in graph.last_lines("talker"))
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{tmp_path / 'talker.log'}: No space left on device (disk " in said


def test_shared_memory_of_the_dead_goes_and_that_of_the_living_stays(tmp_path):
    began = time.time()
    dead, living = tmp_path / f"fastrtps_{'d' * 16}", tmp_path / f"fastrtps_{'1' * 16}"
    lock = tmp_path / f"{living.name}_el"
    # names that the next process takes up again, maybe now, and what is not Fast DDS's
    names = "fastrtps_port7000", "fastrtps_port7000_el", "sem.fastrtps_port7000_mutex", "other"
    kept = [tmp_path / name for name in names]
    for path in (dead, living, lock, *kept):
        path.write_bytes(b"x" * 4096)
    script = (
        f"import mmap, time; f = open({str(living)!r}, 'r+b'); m = mmap.mmap(f.fileno(), 4096); "
        "print('mapped', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"mapped\n"
        assert remove_dead_shared_memory(began, tmp_path) == [dead]
        assert living.exists() and lock.exists()
    finally:
        process.kill()
        process.wait()
    assert set(remove_dead_shared_memory(began, tmp_path)) == {living, lock}
    assert all(path.exists() for path in kept)


def test_shared_memory_that_is_just_being_made_stays(tmp_path, monkeypatch):
    """A process has made the file and maps it a moment later."""
    born, dead = tmp_path / f"fastrtps_{'b' * 16}", tmp_path / f"fastrtps_{'d' * 16}"
    found = iter(([born, dead], [dead]))
    monkeypatch.setattr(supervisor, "dead_shared_memory", lambda since, folder: next(found))
    for path in (born, dead):
        path.write_bytes(b"x")
    assert remove_dead_shared_memory(0.0, tmp_path) == [dead]
    assert born.exists() and not dead.exists()


def test_shared_memory_that_somebody_elsewhere_holds_is_not_dead(tmp_path):
    """Who lives in another container is not in our /proc; its lock is seen."""
    segment, lock = (tmp_path / f"fastrtps_{'f' * 16}{end}" for end in ("", "_el"))
    for path in (segment, lock):
        path.write_bytes(b"x")
    with open(lock, encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert dead_shared_memory(0.0, tmp_path) == [] and segment.exists()
    assert set(dead_shared_memory(0.0, tmp_path)) == {segment, lock} and segment.exists()


def test_a_killed_node_leaves_no_shared_memory(programs, tmp_path):
    pytest.importorskip("rclpy")
    source = "import rclpy, time; from vipa_ros.bringup import dds; rclpy.init(); n = rclpy.create_node('x'); print(*dds.paths(), flush=True); time.sleep(60)"
    domain = environment.Domain()
    with Supervisor([ProcessSpec("a", source)], environment.child_environment(domain.id), tmp_path) as graph:
        wait_for(lambda: graph.last_lines("a"))
        paths = [Path(path) for path in graph.last_lines("a")[0].split()]
        os.kill(graph.processes["a"].pid, signal.SIGKILL)
        graph.processes["a"].wait()
        assert paths and all(path.exists() for path in paths)
        # as the doctor finds it, and as any process that starts does, which holds the lock while it looks and removes what is dead
        wait_for(lambda: {path for path in paths if path.exists()} <= set(dead_shared_memory(0.0)))
    domain.release()
    assert not any(path.exists() for path in paths)


def test_domains_are_given_once_and_bad_ones_refused():
    first, second = environment.Domain(), environment.Domain()
    assert first.id != second.id
    first.release()
    assert environment.Domain("7").id == 7
    with pytest.raises(VipaError, match="ROS_DOMAIN_ID='102'; allowed: 0 to 101"):
        environment.Domain("102")
    second.release()


def test_a_domain_in_which_a_stranger_is_seen_is_not_taken(tmp_path, monkeypatch):
    """One that was started by hand, or that outlived its graph: it has a port at which DDS looks for others, and no lock."""
    pytest.importorskip("rclpy")
    monkeypatch.setattr(environment, "DOMAINS", range(97, 99))
    monkeypatch.setattr(environment, "BY_HAND", range(0))
    monkeypatch.setattr(environment.tempfile, "gettempdir", lambda: str(tmp_path))
    source = "import rclpy, sys; rclpy.init(); n = rclpy.create_node('stranger'); print('here', flush=True); sys.stdin.read()"
    env = environment.child_environment(97)
    with subprocess.Popen(
        [sys.executable, "-c", source], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as stranger:
        assert stranger.stdout.readline() == b"here\n"
        taken = environment.Domain()
        assert taken.id == 98
        with pytest.raises(VipaError, match="all ROS domains 0 to 98 are taken"):
            environment.Domain()
        stranger.stdin.close()
        stranger.wait()
        freed = environment.Domain()
        assert freed.id == 97
    taken.release()
    freed.release()
