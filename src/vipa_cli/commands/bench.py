"""Measures on this machine: `motion` (tracking, stops, a step), `policy` (a checkpoint's time to act), `device` (a GPU at full size),
`graph` (what load does to the graph of processes), `teleop` (from a key to its chunk), `statistics` (the sequential test's errors and price), `evaluate` (trials an hour), `alignment` (how well
checkpoints say where things are), `loop` (the in-process loop with cameras), `console` (what the web console costs control), `data`
(recording, conversion to a dataset, random reads)."""

from pathlib import Path

from vipa_cli import parsers


def arguments(parser):
    verbs = parsers.subverbs(parser)
    motion = parsers.verb(verbs, "motion", "tracking, stops, walls and step times, beside MoveIt Servo's figures")
    motion.add_argument("--robot", default="fr3_single", help="name in config/robots/ or path")
    policy = parsers.verb(
        verbs, "policy", "time to act: eager, ONNX fp32 and int8, 4 and 10 steps, and behind a socket"
    )
    policy.add_argument("checkpoint", type=Path, nargs="?", help="exported folder; without it random models are made")
    policy.add_argument("--sizes", default="xs,s", help="of the models that are made")
    policy.add_argument("--views", default="1,2,3", help="cameras of the models that are made")
    policy.add_argument("--count", type=int, default=100, help="calls a case")
    device = parsers.verb(
        verbs, "device", "on a GPU: act at any size, a training step of every stage, beside their floors"
    )
    device.add_argument("--size", default="full", help="full, s or xs")
    device.add_argument("--device", default="cuda", help="cuda, or cpu to try it")
    device.add_argument("--views", default="2,1,3", help="numbers of cameras, in this order")
    device.add_argument("--count", type=int, default=50, help="calls a case")
    device.add_argument("--budget", type=float, default=3600.0, help="wall seconds after which nothing new begins")
    graph = parsers.verb(
        verbs, "graph", "whole episodes with busy loops beside them, and with two cameras of 640x480 at 30 Hz"
    )
    graph.add_argument("--seeds", default="0", help="of the episodes: 7, 0:10 or 1,5,9")
    graph.add_argument("--loads", default="0,1,2", help="numbers of busy loops")
    typed = parsers.verb(verbs, "teleop", "from a key in a terminal to its chunk on the wire, over a graph")
    typed.add_argument("--count", type=int, default=100, help="keys")
    tests = parsers.verb(verbs, "statistics", "what the sequential test of `vipa compare` promises and costs")
    tests.add_argument("--sets", type=int, default=10_000, help="simulated sets of trials a case")
    aligned = parsers.verb(
        verbs, "alignment", "the paper's distance error and direction score of checkpoints, on held-out questions"
    )
    aligned.add_argument(
        "data", type=Path, help="visual.jsonl that was not trained on: of vipa dataset align, or any in Hand3D's form"
    )
    aligned.add_argument(
        "checkpoint", type=Path, nargs="+", help="folders of vipa train, recipes stage1, stage2, align1, align2"
    )
    aligned.add_argument("--count", type=int, default=400, help="drawn scenes, or questions in Hand3D's form")
    aligned.add_argument(
        "--without-depth", action="store_true", help="each view's depth counts as missing: an ablation"
    )
    loop = parsers.verb(
        verbs,
        "loop",
        "the in-process loop with cameras: times real time a core, a task beside the others, and where it goes",
    )
    loop.add_argument("tasks", nargs="*", metavar="TASK", help="names in tasks/ or paths; none: all that ship")
    loop.add_argument("--seeds", default="0:2", help="of the episodes: 7, 0:10 or 1,5,9")
    loop.add_argument("--cameras", type=int, default=2, help="how many of each task's cameras are rendered")
    sets = parsers.verb(verbs, "evaluate", "trials an hour a core, simulated over wall time, what recording costs")
    sets.add_argument("--task", default="water_plant", help="name in tasks/ or path")
    sets.add_argument("--policies", default="expert,water_plant", help="commanders, with commas between")
    sets.add_argument("--count", type=int, default=5, help="scenes")
    page = parsers.verb(verbs, "console", "what the web console costs control, with five clients, one of which stalls")
    page.add_argument("--seconds", type=float, default=20.0, help="wall time of each phase")
    page.add_argument("--rounds", type=int, default=3, help="times that the phases are gone through")
    page.add_argument(
        "--hour",
        action="store_true",
        help="instead: the frames of an hour as fast as they go, and what the memory does",
    )
    data = parsers.verb(
        verbs,
        "data",
        "recording at 3 cameras of 640x480 with depth, beside rosbags; conversion and random reads, beside LeRobot",
    )
    data.add_argument("runs", type=Path, nargs="*", metavar="RUN", help="run folders to convert; none: recording alone")
    data.add_argument("--seconds", type=float, default=10.0, help="that each writer records")
    data.add_argument("--lerobot", default=None, metavar="PYTHON", help="of an environment with LeRobot 0.6.1")
    data.add_argument("--frames", type=int, default=100, help="that are written as a dataset, beside LeRobot")
    for verb in (motion, policy, device, graph, typed, tests, aligned, loop, sets, page, data):
        verb.add_argument(
            "--out", type=Path, default=None, help="JSON file that gets the figures, too; default: none is kept"
        )


def run(args) -> int:
    if args.action == "motion":
        from vipa_cli.bench import motion

        motion.run(args.out, args.robot)
        return 0
    if args.action == "device":
        from vipa_cli.bench import device

        device.run(args.size, args.device, args.views, args.count, args.budget, args.out)
        return 0
    if args.action == "graph":
        from vipa_cli.bench import graph
        from vipa_sim.trials import parse_seeds

        graph.run(parse_seeds(args.seeds), args.out, parse_seeds(args.loads))
        return 0
    if args.action == "teleop":
        from vipa_cli.bench import teleop

        teleop.run(args.count, args.out)
        return 0
    if args.action == "loop":
        from vipa import resources
        from vipa_cli.bench import loop
        from vipa_sim.trials import parse_seeds

        loop.run(args.tasks or resources.names("tasks"), parse_seeds(args.seeds), args.cameras, args.out)
        return 0
    if args.action == "evaluate":
        from vipa_cli.bench import evaluate

        evaluate.run(args.task, args.policies.split(","), args.count, args.out)
        return 0
    if args.action == "statistics":
        from vipa_cli.bench import statistics

        statistics.run(args.out, args.sets)
        return 0
    if args.action == "alignment":
        from vipa.human.records import ACTION_FILE
        from vipa_cli.bench import alignment

        beside = args.data.with_name(ACTION_FILE)  # asked of the action queries, where the checkpoint has answers
        files = [args.data] + ([beside] if beside.is_file() and beside != args.data else [])
        alignment.run(args.checkpoint, files, args.count, args.out, without_depth=args.without_depth)
        return 0
    if args.action == "data":
        from vipa_cli.bench import data

        python = Path(args.lerobot) if args.lerobot else None
        data.run(args.runs, args.seconds, python, args.frames, args.out)
        return 0
    if args.action == "console":
        from vipa_cli.bench import console, console_hour

        if args.hour:
            console_hour.run(console_hour.FRAMES, args.out)
        else:
            console.run(args.seconds, args.rounds, args.out)
        return 0
    from vipa_cli.bench import policy

    policy.run(args.checkpoint, args.count, args.out, args.sizes, args.views)
    return 0
