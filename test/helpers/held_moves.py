"""`Moves` without a graph: motion, planner and time are the test's."""

from types import SimpleNamespace

from vipa_msgs.msg import MotionStatus

from vipa.errors import VipaError
from vipa.recording import topics
from vipa.robot.description import load_robot
from vipa.tasks.heartbeats import SILENCE_S, Heartbeats
from vipa_ros.common import convert
from vipa_ros.robot import moves as module
from vipa_ros.robot.moves import Moves

ROBOT = load_robot("fr3_single")


class Wait:
    """Awaited, it lasts until the coroutine is sent on."""

    def __await__(self):
        yield


class HeldMoves(Moves):
    """A motion that grants what is free, follows a path for `seconds` of wall time and then holds, and a planner that plans.

    asked: (service, request) that were answered; sent: those that nobody waited for. mute: names of what has fallen silent.
    """

    def __init__(self, patch, commander="calibrate", what="calibration", seconds=2.5):
        self.robot, self.commander, self.what, self.seconds = ROBOT, commander, what, seconds
        self.epoch = self.seq = 0
        self.now, self.began, self.owed, self.mute = 0.0, None, [], set()
        self.chunks_sent, self.asked, self.sent, self.plans = [], [], [], 0
        self.motion = MotionStatus(epoch=1, mode=MotionStatus.HOLDING)
        self.motion.header.stamp = convert.time_msg(10**9)
        self.states = SimpleNamespace(missing=lambda: "")
        self.services = SimpleNamespace(pause=self.pause, until=self.waits, call=self.call, send=self.send_on)
        self.chunks = SimpleNamespace(publish=self.publish)
        self.listener = SimpleNamespace(on=lambda *_: None)
        self.node = SimpleNamespace(destroy_subscription=lambda _: None)
        self.heartbeats = Heartbeats(SILENCE_S, 0.0)
        patch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=lambda _: None))

    # the graph

    async def pause(self, seconds):
        self.now += seconds
        for name in set(SILENCE_S) - self.mute:
            self.heartbeats.heard(name, self.now)
        if not self.chunks_sent or "motion" in self.mute:
            return
        self.began = self.now if self.began is None else self.began
        if self.chunks_sent[-1].epoch == self.motion.epoch:
            self.motion.executing_seq = self.chunks_sent[-1].seq
        if self.motion.mode != MotionStatus.STOPPED:
            over = self.now - self.began > self.seconds
            self.motion.mode = MotionStatus.HOLDING if over else MotionStatus.EXECUTING

    async def waits(self, there, wait):
        end = self.now + wait
        while not there() and self.now < end:
            await self.pause(0.02)
        return there()

    async def call(self, name, request, wait, again=0.0, vain=lambda: ""):
        end = self.now + wait
        await self.pause(0.02)
        while self.deaf(name) and self.now < end and not vain():
            await self.pause(0.02)
        if self.deaf(name):
            raise VipaError(vain() or f"service {name} did not answer within {wait:g} s")
        self.asked.append((name, request))
        return self.answer(name, request)

    def deaf(self, name):
        return "planner" in self.mute if name == topics.PLAN_MOTION else "motion" in self.mute

    def answer(self, name, request):
        if name == topics.SET_AUTHORITY:
            if self.motion.authority not in ("", request.requester_id):
                return SimpleNamespace(granted=False, message=f"'{self.motion.authority}' holds the authority", epoch=0)
            self.motion.authority, self.motion.epoch = request.commander_id, self.motion.epoch + 1
            return SimpleNamespace(granted=True, message="", epoch=self.motion.epoch)
        if name == topics.PLAN_MOTION:
            self.plans += 1
            group = self.robot.group(request.group)
            steps = convert.joint_steps_msg(group.name, group.joints, [group.home] * 5)
            why = self.unplanned(self.plans)
            return SimpleNamespace(success=not why, message=why, steps=steps, dt=0.1)
        return SimpleNamespace(accepted=True, message="")

    def unplanned(self, number):
        """'' or why plan `number` fails."""
        return ""

    def send_on(self, name, request):
        self.sent.append((name, request))

    def publish(self, msg):
        self.began = None if not self.chunks_sent or msg.start_time != self.chunks_sent[-1].start_time else self.began
        self.chunks_sent.append(msg)

    def distance(self, group, goal):
        return 0.0


def done(coroutine):
    """What a coroutine gives that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")
