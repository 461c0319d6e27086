"""Runs randomised episodes in-process, one a seed, as fast as the machine allows, and gives the sub-task and whole-task
rates. Every scorecard goes to --out, a line each; the same call again goes on where it stopped."""

from pathlib import Path

from vipa.commanders import registry
from vipa_cli import exit_status, json_document
from vipa_cli.commands import arguments as arguments_
from vipa_cli.commands.runtime import inference, number, runtime_arguments


def arguments(parser):
    parser.add_argument("--task", required=True, help="name in tasks/ or path of a task file")
    parser.add_argument("--policy", default=registry.DEFAULT, help=registry.HELP)
    runtime_arguments(parser)
    parser.add_argument("--seeds", default="0:20", help="7, 0:20 (0 to 19) or 1,5,9")
    parser.add_argument("--variant", default="", help="appearance; empty: a seen one, drawn by the seed")
    parser.add_argument(
        "--delay", type=number(0, 60), default=None, help="simulated inference delay, seconds; default: as in the graph"
    )
    parser.add_argument("--noise", type=number(0, 1), default=0.0, help="disturbance of the expert, metres")
    arguments_.add(parser, ("fixed_cameras", "camera_noise"))
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    json_document.add(parser)
    parser.add_argument("--out", type=Path, default=None, help="JSON-lines file of scorecards; default: none is kept")


def run(args) -> int:
    import contextlib
    from dataclasses import asdict

    from vipa.errors import VipaError
    from vipa_ros.bringup.episode_graph import EpisodeConfig
    from vipa_sim import trial_log, trials

    if args.jobs < 1:
        raise VipaError("--jobs must be at least 1")
    options = inference(args)
    asked = EpisodeConfig(args.task, args.policy, variant=args.variant, **asdict(options)).checked()
    settings = {"delay_s": args.delay, "noise": args.noise, "policy": args.policy, "inference": options}
    settings |= {"fixed_cameras": args.fixed_cameras, "camera_noise": args.camera_noise}
    todo = [trials.Trial(asked.task, seed, args.variant, **settings) for seed in trials.parse_seeds(args.seeds)]
    same = trial_log.settings_of(todo[0], asked.policy_sha256)
    done = trial_log.read(args.out, same) if args.out else {}
    outcomes = [trials.Outcome(t, done[t.seed], (), ()) for t in todo if t.seed in done]
    if outcomes:
        print(f"{len(outcomes)} of {len(todo)} episodes are in {args.out} already")
    ran, error = [], ""
    with contextlib.closing(trials.run_trials([t for t in todo if t.seed not in done], args.jobs)) as running:
        for outcome in running:
            outcomes.append(outcome)
            ran.append(outcome.scorecard)
            print(trials.line(outcome), flush=True)
            if args.out:
                trial_log.append(args.out, outcome.scorecard, same)
            if error := trial_log.same_error(ran):
                break
    print(trials.total(outcomes))
    args.document = trials.document(outcomes)
    failed = sum(card.outcome == "error" for card in ran)
    if error:
        print(f"stopped: two trials in a row ended as the same error, as every other would: {error}")
    elif failed:
        print(f"{failed} trials ended as errors, not scored; the same call runs them again")
    return exit_status.FAILED if failed else exit_status.DONE
