"""A policy served by one process and asked by another: python examples/ask_policy.py

The server may stand on another machine: `vipa serve CHECKPOINT --host 0.0.0.0` there, VIPA_TOKEN=… and its address here.
"""

import os
import re
import subprocess
import sys

from vipa.commanders.commander import EpisodeStart
from vipa.commanders.policy.first_answer import at_home
from vipa.commanders.policy.remote import RemoteCommander
from vipa.motion.chunk import ActionChunk
from vipa.robot.description import load_robot
from vipa.serving.address import parse


def main() -> ActionChunk:
    """Serves the policy that ships, asks it once what to do at home, and ends the server."""
    line = [sys.executable, "-m", "vipa_cli.cli", "serve", "water_plant", "--port", "0"]
    server = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        said = ""
        while "--policy" not in said:  # its last line of greeting: VIPA_TOKEN=… vipa episode … --policy vipa@HOST:PORT
            said = server.stdout.readline() or sys.exit("the server has ended")
        os.environ["VIPA_TOKEN"], address = re.search(r"VIPA_TOKEN=(\S+) .* --policy (\S+)", said).groups()
        robot = load_robot("fr3_single")
        commander = RemoteCommander(robot, parse(address))
        commander.reset(EpisodeStart("example", "water_plant", "water the plant", 0, ""))
        chunk = commander.step(
            at_home(robot, commander.cameras, "water the plant")
        )  # in an episode: what cameras and joints say
        commander.close()
    finally:
        server.terminate()
        server.wait()
    for action in chunk.groups:
        print(
            f"{action.name}: {len(action.poses)} poses, {chunk.dt:g} s apart; the last at {action.poses[-1, :3].round(3)} m"
        )
    return chunk


if __name__ == "__main__":
    main()
