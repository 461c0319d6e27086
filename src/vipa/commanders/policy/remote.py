"""The commander `policy` whose model runs behind a socket: openpi's, GR00T's, or VIPA's own (`vipa serve`)."""

import os
from dataclasses import replace

import numpy as np

from vipa.commanders.commander import CommanderInput, EpisodeStart
from vipa.commanders.policy.first_answer import ask_once
from vipa.commanders.policy.prefix import Departure, committed_prefix
from vipa.errors import NoChunk, VipaError
from vipa.motion.chunk import ActionChunk, GroupAction, Mode
from vipa.robot.description import Robot
from vipa.robot.kinematics import Kinematics
from vipa.robot.lateness import hand_ahead, sent_ahead_ns
from vipa.serving.address import PolicyAddress, parse
from vipa.serving.connection import Connection, ConnectionFailed, Transport
from vipa.serving.decode import decode
from vipa.serving.encode import RequestBuilder
from vipa.serving.mapping import Mapping
from vipa.serving.protocols.groot_client import GrootTransport
from vipa.serving.protocols.openpi_client import OpenpiTransport

TOKEN = "VIPA_TOKEN"  # noqa: S105
# wall seconds for the first answer: servers compile, capture graphs and load what they need at it
FIRST_ANSWER_TIMEOUT_S = 300.0


class RemoteCommander:
    """Asks the server at every step and waits for its answer; one connection, one question at a time, so an answer is always
    the one to what was just asked. Raises VipaError if mapping and robot do not fit, or the server cannot be reached now.

    Chunks are sent ahead by the command latency of the arms, as PolicyCommander's are.

    sha256: of the served checkpoint, where the server names it.
    """

    commander_id = "policy"
    wants_cameras = True

    def __init__(self, robot: Robot, remote: PolicyAddress, transport: Transport | None = None):
        self.robot, self.remote, self.mapping = robot, remote, remote.mapping
        try:
            self.mapping.check(robot)
        except VipaError as error:
            raise VipaError(f"policy {remote}: {error}") from None
        self.period, self.cameras = self.mapping.period, tuple(self.mapping.cameras)
        first = next(
            part.group for part in self.mapping.actions if part.group
        )  # extrinsics are given in its base frame
        base = Kinematics(robot).group(first).base.homogeneous
        self.ahead_ns = sent_ahead_ns(robot.group(part.group) for part in self.mapping.actions if part.group)
        self.requests = RequestBuilder(self.mapping, np.linalg.inv(base))
        self.sha256: str | None = None
        self.connection = Connection(transport or make_transport(remote), str(remote), self.mapping.timeout, self._meet)
        try:
            self.connection.open()
        except ConnectionFailed as error:
            raise VipaError(f"policy {remote}: {error}") from None

    def _meet(self, metadata: dict) -> None:
        """Checks what the server says of itself. Another checkpoint in mid-life is refused: scores are of one."""
        if self.mapping.protocol == "groot":
            meet_groot(self.mapping, metadata)
            return
        meet_openpi(self.mapping, metadata)
        sha256 = metadata.get("checkpoint_sha256")
        if self.sha256 is not None and sha256 != self.sha256:
            raise ConnectionFailed(
                f"the server now serves another checkpoint ({str(sha256)[:12]}, before {self.sha256[:12]})"
            )
        self.sha256 = sha256 if isinstance(sha256, str) else None

    def reset(self, start: EpisodeStart) -> None:
        self.seq = 0
        self.last: ActionChunk | None = None
        self.requests.reset()

    def step(self, seen: CommanderInput) -> ActionChunk | None:
        """The chunk that answers seen.observation; None when the robot is stopped. Raises NoChunk."""
        if seen.status.mode is Mode.STOPPED:
            return None
        observation, dt = seen.observation, 1.0 / self.mapping.rate
        start = observation.stamp_ns + round(dt * 1e9) - self.ahead_ns
        prefix = None
        if self.mapping.prefix:
            departure = Departure.of(observation, self.ahead_ns)
            prefix = committed_prefix(seen.status.committed, self.last, start, dt, departure)
        answer = self.connection.ask(lambda: self.requests.build(observation, prefix))
        try:
            actions = tuple(
                self._hand_ahead(a, dt) for a in decode(self.mapping, self.robot, answer, observation.groups)
            )
        except ValueError as error:
            raise NoChunk(f"policy {self.remote}: {error}") from None
        self.seq += 1
        self.last = ActionChunk(
            self.commander_id, seen.status.epoch, self.seq, seen.now_ns, start, dt, actions, observation.stamp_ns
        )
        return self.last

    def _hand_ahead(self, action: GroupAction, dt: float) -> GroupAction:
        if action.hand is None:
            return action
        return replace(action, hand=hand_ahead(self.robot.group(action.name), action.hand, dt))

    def first_answer(self, instruction: str) -> None:
        """Asks once for `instruction`, with the patience of FIRST_ANSWER_TIMEOUT_S. Raises VipaError if no answer comes that could be
        used: the server is down, slow beyond that, or refuses the instruction."""
        patience, self.connection.timeout = self.connection.timeout, FIRST_ANSWER_TIMEOUT_S
        try:
            ask_once(self, self.robot, instruction)
        finally:
            self.connection.timeout = patience

    def close(self) -> None:
        self.connection.close()


def connect(robot: Robot, policy: str, instruction: str) -> RemoteCommander:
    """The commander for `NAME@HOST[:PORT]`, whose server has answered once to `instruction`. Raises VipaError."""
    commander = RemoteCommander(robot, parse(policy))
    try:
        commander.first_answer(instruction)
    except BaseException:
        commander.close()
        raise
    return commander


def make_transport(remote: PolicyAddress) -> Transport:
    """An unopened connection; the token comes from the environment, never from a command line."""
    token = os.environ.get(TOKEN) or None
    if remote.mapping.protocol == "groot":
        return GrootTransport(remote.host, remote.port, token)
    return OpenpiTransport(remote.scheme, remote.host, remote.port, token)


def meet_openpi(mapping: Mapping, metadata: dict) -> None:
    """A server of ours says what it needs; others' metadata says nothing that could be checked. Raises ConnectionFailed."""
    for key, wanted in (("rate_hz", mapping.rate), ("horizon", mapping.horizon)):
        if key in metadata and wanted is not None and metadata[key] != wanted:
            raise ConnectionFailed(f"the server's {key} is {metadata[key]}, the policy's file says {wanted:g}")
    needed = _names(metadata.get("needed"))
    if needed is not None:
        allowed = [*needed, *(_names(metadata.get("optional")) or [])]
        missing = [k for k in needed if k not in mapping.keys()]
        extra = [k for k in mapping.keys() if k not in allowed]
        if missing or extra:
            raise ConnectionFailed(
                f"the server does not fit the policy's file: it wants {', '.join(missing) or 'nothing'} besides, and does not "
                f"take {', '.join(extra) or 'nothing'} of what is sent"
            )


def meet_groot(mapping: Mapping, modalities: dict) -> None:
    """Keys and numbers of images and states against what the server was trained with. Raises ConnectionFailed."""
    sent = {
        "video": ([c.color for c in mapping.cameras.values()], 1 + len(mapping.history)),
        "state": (list(mapping.state), 1),
        "language": ([mapping.prompt], 1),
    }
    for name, (keys, count) in sent.items():
        wanted, times = _modality(modalities, name)
        if wanted is not None and set(wanted) != set(keys):
            raise ConnectionFailed(
                f"the server wants {name} {', '.join(wanted)}; the policy's file sends {', '.join(keys)}"
            )
        if times is not None and len(times) != count:
            raise ConnectionFailed(f"the server wants {name} of {len(times)} times; the policy's file sends {count}")
    given, _ = _modality(modalities, "action")
    read = {key for part in mapping.actions for key in part.read()}
    if given is not None and not read <= set(given):
        raise ConnectionFailed(
            f"the server gives {', '.join(given)}; the policy's file reads {', '.join(sorted(read))}"
        )


def _modality(modalities, name) -> tuple[list[str] | None, list | None]:
    """Keys and times of a modality, None for what the server does not say."""
    found = modalities.get(name) if isinstance(modalities, dict) else None
    if not isinstance(found, dict):
        return None, None
    times = found.get("delta_indices")
    return _names(found.get("modality_keys")), times if isinstance(times, list) else None


def _names(value) -> list[str] | None:
    return [str(item) for item in value] if isinstance(value, list) else None
