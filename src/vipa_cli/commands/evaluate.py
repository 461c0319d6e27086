"""Runs a set of randomised trials: every commander of PLAN meets the same scenes, in a random order. The same call goes on where one
stopped. Without a plan, --task and --policy make one of a single commander."""

import os
import re
import tempfile
from contextlib import nullcontext
from pathlib import Path

from vipa.commanders import registry
from vipa.errors import VipaError
from vipa_cli import exit_status, json_document
from vipa_cli.commands import arguments as arguments_
from vipa_cli.commands.runtime import inference, number, runtime_arguments


def arguments(parser):
    parser.add_argument(
        "plan", type=Path, nargs="?", help="YAML file: commanders, tasks, variants, trials; see examples/plans"
    )
    parser.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help="folder of the set; without a plan it may be left out"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--graph", action="store_true", help="every trial over the ROS graph, one after another")
    parser.add_argument("--ray", action="store_true", help="on a Ray cluster (RAY_ADDRESS), or workers of this machine")
    parser.add_argument("--record", action="store_true", help="a bag a trial (over the graph there always is one)")
    parser.add_argument("--no-pictures", action="store_true", help="no film strips, over the graph no video")
    parser.add_argument("--verbose", action="store_true", help="over the graph: show what every node prints")
    parser.add_argument(
        "--console",
        default="",
        metavar="HOST[:PORT]",
        help="lead and show the set on a web page there; a real cell, or --graph",
    )
    parser.add_argument(
        "--preferences",
        action="store_true",
        help="real cell: ask which of two trials that ended alike was better, and why",
    )
    json_document.add(parser)
    others = parser.add_argument_group(
        "LIBERO, which `make libero-env` installs: with --policy (several: comma between) and --out"
    )
    others.add_argument(
        "--benchmark",
        default="",
        metavar="SUITES",
        help="libero_spatial, object, goal, 10, 90, or LIBERO-PRO's as goal_swap; comma between",
    )
    others.add_argument("--trials", type=int, default=50, help="initial states a task; the official number is 50")
    others.add_argument("--tasks", default="", help="numbers of tasks in a suite: 7, 0:3 or 1,5; empty: all")
    short = parser.add_argument_group("without a plan")
    short.add_argument("--task", default="", help="name in tasks/ or path of a task file; comma between several")
    short.add_argument("--policy", default=registry.DEFAULT, help=registry.HELP)
    runtime_arguments(short)
    short.add_argument("--seeds", default="0:20", help="7, 0:20 (0 to 19) or 1,5,9")
    short.add_argument("--variant", default="", help="appearance; empty: a seen one, drawn by the seed")
    short.add_argument(
        "--delay",
        type=number(0, 60),
        default=None,
        help="simulated inference delay, seconds; default: as measured here",
    )
    short.add_argument("--noise", type=number(0, 1), default=0.0, help="disturbance of the expert, metres")
    arguments_.add(short, ("fixed_cameras", "camera_noise"))


def run(args) -> int:
    from vipa.evaluation import plan as plans

    if args.jobs < 1:
        raise VipaError("--jobs must be at least 1")
    if args.benchmark:
        return _benchmark(args)
    if bool(args.plan) == bool(args.task):
        raise VipaError("name either a plan or --task")
    if args.plan:
        plan = plans.load(args.plan)
        if args.out is None:
            raise VipaError("name the folder of the set: --out DIR")
        return _run(args, plan, args.out)
    if args.out is not None:
        return _run(args, short_form(args), args.out)
    with tempfile.TemporaryDirectory(prefix="vipa-set-") as folder:
        return _run(args, short_form(args), Path(folder))


def short_form(args):
    """The plan that --task, --policy and --seeds say."""
    from dataclasses import asdict

    from vipa.evaluation.plan import SEEN, CommanderEntry, Plan
    from vipa_sim.trials import parse_seeds

    seeds = parse_seeds(args.seeds)
    entry = CommanderEntry(args.policy, args.delay, args.noise, **asdict(inference(args)))
    # a commander's name allows less than a policy's: teleop:keyboard, a path in any script
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", Path(args.policy.partition("@")[0]).name).lstrip("_.-")[:60] or "policy"
    variants = [args.variant or SEEN]
    seen = {"fixed_cameras": args.fixed_cameras, "camera_noise": args.camera_noise}
    return Plan({name: entry}, args.task.split(","), variants, len(seeds), seeds, **seen)


def _benchmark(args) -> int:
    from vipa import files
    from vipa_sim.libero import benchmark, suites, table
    from vipa_sim.libero.process import interpreter
    from vipa_sim.trials import parse_seeds

    if args.plan or args.task or args.out is None:
        raise VipaError(
            "--benchmark with a plan or a task, or without a folder; allowed: --benchmark SUITES --policy POLICY --out DIR"
        )
    if args.trials < 1:
        raise VipaError(f"--trials {args.trials}; allowed: at least 1")
    ours = ("graph", "ray", "record", "console", "preferences")
    if given := [name for name in ours if getattr(args, name)]:
        raise VipaError(f"--benchmark with --{given[0]}, which is of our own cell alone; allowed: without it")
    interpreter()
    chosen = tuple(parse_seeds(args.tasks)) if args.tasks else ()
    policies = tuple(dict.fromkeys(args.policy.split(",")))
    asked = benchmark.Benchmark(suites.parse(args.benchmark), policies, args.trials, chosen)

    def say(episode, row):
        who = f"{row.commander}  " if len(policies) > 1 else ""
        print(
            f"{row.trial_id}  {who}{episode.instruction[:60]:<60}  {row.duration_s:5.1f} s  {row.verdict}", flush=True
        )

    rows, stopped = benchmark.run(asked, args.out, say, inference(args))
    found = {p: table.summary([row for row in rows if row.commander == p], asked.suites) for p in policies}
    text = table.markdown(found)
    files.write_json(args.out / "libero.json", {"policies": found})
    files.write_bytes(args.out / "libero.md", text.encode())
    print(text, end="", flush=True)
    if stopped:
        print(f"stopped: {stopped}; the same call goes on", flush=True)
    args.document = {"policies": found}
    return exit_status.FAILED if stopped else exit_status.DONE


def _run(args, plan, folder: Path) -> int:
    from vipa.evaluation.desk import TerminalDesk
    from vipa.evaluation.trial_set import TrialSet, begun
    from vipa.web import access
    from vipa_cli.trial_lines import Told
    from vipa_ros.evaluation import over_graph, real_cell, session
    from vipa_ros.evaluation.at_console import AtConsole

    if args.console:
        access.parse(args.console, 0)
        if plan.cell != "real" and not args.graph:
            raise VipaError(
                "--console with trials in this process, which no page can watch; allowed: a real cell, or --graph"
            )
    options = session.Options(
        args.jobs, args.ray, not args.no_pictures, args.record, args.graph, args.verbose, args.preferences
    )
    plan, checkpoints = session.checked(plan, options.graph)
    with TrialSet(folder, plan, begun(plan, checkpoints)) as trials:
        told = Told(trials)
        told.begin(args.out is not None)
        if plan.cell == "real" or options.graph:
            console = AtConsole(args.console, folder, plan.cell == "real", args.verbose) if args.console else None
            with console or nullcontext():
                if plan.cell == "real":
                    stopped = real_cell.run(trials, options, told.trial, console.desk if console else TerminalDesk())
                else:
                    stopped = over_graph.run(trials, options, told.trial, console.desk if console else None)
        else:
            stopped = session.run_in_process(trials, options, told.trial)
        told.end(stopped)
        args.document = told.document()
    return exit_status.FAILED if stopped else exit_status.DONE
