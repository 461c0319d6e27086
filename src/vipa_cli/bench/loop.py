"""How fast the in-process loop plays each task with its expert and cameras, and where the time goes. Times are of the processor, so that what
else runs on the machine counts little."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from vipa import files
from vipa.commanders.expert.commander import Expert
from vipa.robot.description import load_robot
from vipa.tasks.task import load_task
from vipa_sim.loop import Loop, run_episode

SIZE, RATE_HZ = (224, 224), 10.0  # of every camera


class Shares:
    """Processor seconds by part. `watch` replaces a method of an object by one that is timed."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    def watch(self, part: str, owner: object, method: str) -> None:
        """Counts what `owner.method` takes as `part`."""
        inner: Callable = getattr(owner, method)

        def timed(*args, **kwargs):
            began = time.process_time()
            try:
                return inner(*args, **kwargs)
            finally:
                self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - began

        setattr(owner, method, timed)


def measure(name: str, seeds: list[int], cameras: int) -> dict:
    """Plays task `name` by its expert with the first `cameras` of its cameras: simulated and processor seconds, and the parts' shares."""
    task = load_task(name)
    robot = load_robot(task.robot)
    shares = Shares()
    simulated = spent = 0.0
    with Loop(task, robot, task.cameras[:cameras], SIZE, RATE_HZ) as loop:
        if loop.renderer:
            shares.watch("rendering", loop.renderer, "frame")
        shares.watch("physics", loop.cell, "step")
        for seed in seeds:
            expert = Expert(robot, task, seed)
            shares.watch("expert", expert, "step")
            reset = loop.reset

            def begin(*args, reset=reset):
                card = reset(*args)
                shares.watch("motion", loop.motion, "tick")
                shares.watch("scoring", loop.runner, "look")
                return card

            loop.reset = begin
            before = time.process_time()
            card = run_episode(task, robot, expert, seed, loop=loop, on_tick=lambda tick: tick.frames).scorecard
            spent += time.process_time() - before
            simulated += card.duration_s
            loop.reset = reset
    shares.seconds["other"] = spent - sum(shares.seconds.values())
    parts = {part: seconds / spent for part, seconds in shares.seconds.items()}
    return {"task": name, "cameras": len(loop.cameras), "simulated_s": simulated, "processor_s": spent,
            "times_real": simulated / spent, "shares": parts}  # fmt: skip


def run(tasks: list[str], seeds: list[int], cameras: int, out: Path | None) -> None:
    """Prints the table; `out`: JSON file for the figures."""
    print(f"{SIZE[0]} x {SIZE[1]} pixels at {RATE_HZ:g} Hz with depth, processor time of one core; seeds {seeds}")
    print(f"{'task':<16}{'cameras':>8}{'× real time':>12}   share of the time")
    rows = []
    for name in tasks:
        rows.append(row := measure(name, seeds, cameras))
        parts = sorted(row["shares"].items(), key=lambda item: -item[1])
        told = ", ".join(f"{part} {100 * share:.0f} %" for part, share in parts)
        print(f"{name:<16}{row['cameras']:>8}{row['times_real']:>12.1f}   {told}", flush=True)
    if out:
        files.write_json(out, json.loads(json.dumps({"schema": "vipa/bench_loop/1", "rows": rows})))
