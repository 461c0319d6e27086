"""Runs randomised episodes in-process, one a seed, as fast as the machine allows, and gives the sub-task and whole-task
rates. Every scorecard goes to --out, a line each; the same call again goes on where it stopped."""

from pathlib import Path

from vipa_ros.commands.runtime import number, runtime_arguments


def arguments(parser):
    parser.add_argument("--task", required=True, help="name in tasks/ or path of a task file")
    parser.add_argument("--policy", default="expert", help="'expert', a checkpoint (folder, or name in config/policies/), or NAME@HOST[:PORT] (served)")
    runtime_arguments(parser)
    parser.add_argument("--seeds", default="0:20", help="7, 0:20 (0 to 19) or 1,5,9")
    parser.add_argument("--variant", default="", help="appearance; empty: a seen one, drawn by the seed")
    parser.add_argument("--delay", type=number(0, 60), default=0.0, help="simulated inference delay, seconds")
    parser.add_argument("--noise", type=number(0, 1), default=0.0, help="disturbance of the expert, metres")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, default=None, help="JSON-lines file of scorecards; default: none is kept")


def run(args) -> int:
    import json

    from vipa_ros.bringup import check_runtime
    from vipa_ros.errors import VipaError, unknown
    from vipa_ros.evaluation import trials
    from vipa_ros.tasks import scorecard
    from vipa_ros.tasks.task import load_task

    task = load_task(args.task)
    if args.variant and args.variant not in task.variants:
        raise unknown("variant", args.variant, task.variants)
    if args.jobs < 1:
        raise VipaError("--jobs must be at least 1")
    check_runtime(args.backend, args.precision, args.device)
    runtime = args.precision, args.backend, args.device
    todo = [
        trials.Trial(args.task, seed, args.variant, args.delay, args.noise, args.policy, *runtime)
        for seed in trials.parse_seeds(args.seeds)
    ]
    done = {}
    if args.out and args.out.exists():
        for number, text in enumerate(args.out.read_text().splitlines(), 1):
            card = scorecard.from_dict(json.loads(text), f"{args.out}:{number}")
            done[card.seed] = card
    outcomes = [trials.Outcome(t, done[t.seed], (), ()) for t in todo if t.seed in done]
    if outcomes:
        print(f"{len(outcomes)} of {len(todo)} episodes are in {args.out} already")
    for outcome in trials.run_trials([t for t in todo if t.seed not in done], args.jobs):
        outcomes.append(outcome)
        print(trials.line(outcome), flush=True)
        if args.out:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            with args.out.open("a") as file:
                file.write(json.dumps(scorecard.to_dict(outcome.scorecard)) + "\n")
    print(trials.total(outcomes))
    return 0
