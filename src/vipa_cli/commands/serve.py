"""Serves an exported checkpoint over openpi's websocket protocol, so that the robot's machine needs no model. The robot runs
`vipa episode --policy vipa@HOST:PORT`; openpi's own client works, too. Ends with Ctrl-C."""

from pathlib import Path

from vipa_cli import exit_status
from vipa_cli.commands.runtime import inference, number, runtime_arguments

TOKEN = "VIPA_TOKEN"  # noqa: S105


def arguments(parser):
    parser.add_argument(
        "checkpoint", type=Path, help="folder written by `vipa train` and `vipa export`, or name in config/policies/"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0: the network, too")
    parser.add_argument("--port", type=int, default=8000, help="if it is taken, a free one is chosen")
    runtime_arguments(parser)
    parser.add_argument(
        "--token-file", type=Path, default=None, help=f"file with the token; default: ${TOKEN}, else one is made"
    )
    parser.add_argument("--no-token", action="store_true", help="let every program of this machine ask; loopback only")
    parser.add_argument("--max-mb", type=int, default=32, help="largest message, MiB")
    parser.add_argument("--timeout", type=number(0.1, 3600), default=30.0, help="seconds an answer may take")


def run(args) -> int:
    import asyncio
    import logging

    from vipa.commanders.policy.commander import load_policy
    from vipa.errors import VipaError
    from vipa.serving.protocols.vipa import ServedPolicy
    from vipa.serving.server import Limits, PolicyServer
    from vipa.tasks import scorecard

    if not 0 <= args.port <= 65535:
        raise VipaError(f"--port {args.port}; allowed: 0 (any free one) to 65535")
    if args.max_mb < 1 or not args.timeout > 0:
        raise VipaError("--max-mb must be at least 1 and --timeout above 0")
    token, made = _token(args)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S")
    print(f"loading {args.checkpoint} …", flush=True)
    policy = load_policy(str(args.checkpoint), inference(args))
    identity = scorecard.policy_id(str(args.checkpoint))
    served = ServedPolicy(policy, args.checkpoint.resolve().name, identity.checkpoint_sha256 if identity else None)
    limits = Limits(args.max_mb * 2**20, args.timeout)

    def ready(port: int) -> None:
        if port != args.port and args.port:
            print(f"port {args.port} is taken; listening at {port}")
        host = "localhost" if args.host in ("127.0.0.1", "::1", "0.0.0.0", "::") else args.host  # noqa: S104
        print(f"serving {served.metadata['policy']} at ws://{args.host}:{port}; health: http://{host}:{port}/healthz")
        print(
            f"  looks through {', '.join(policy.config.cameras)}; moves {', '.join(g.name for g in policy.config.groups)}"
        )
        secret = f"{TOKEN}={token} " if made else f"{TOKEN}=… " if token else ""
        print(f"  {secret}vipa episode --task TASK --policy vipa@{host}:{port}", flush=True)

    asyncio.run(_serve(PolicyServer(served.infer, served.metadata, token, limits), args.host, args.port, ready))
    print("stopped", flush=True)
    return exit_status.DONE


def _token(args) -> tuple[str | None, bool]:
    """The token, None for none, and whether it was made here."""
    import os
    import secrets

    from vipa.errors import VipaError

    if args.no_token:
        if not _loopback(args.host):
            raise VipaError(f"--no-token with --host {args.host}; allowed: only with a loopback address, as 127.0.0.1")
        return None, False
    where, token = f"${TOKEN}", os.environ.get(TOKEN, "")
    if args.token_file is not None:
        where = f"--token-file {args.token_file}"
        try:
            token = args.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise VipaError(f"{where}: {getattr(error, 'strerror', None) or 'not text'}") from None
    elif not token:
        return secrets.token_urlsafe(24), True
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise VipaError(f"{where}: allowed: one line of printable ASCII without blanks")
    return token, False


def _loopback(host: str) -> bool:
    import ipaddress

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(server, host, port, ready) -> None:
    """Serves until SIGINT or SIGTERM."""
    import asyncio
    import signal

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for received in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(received, stop.set)
    await server.run(host, port, ready, stop)
