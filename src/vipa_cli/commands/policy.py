"""Lists what may stand behind `--policy`: the scripted expert, the checkpoints that ship, and the protocols of policies that others
serve."""

from vipa_cli import exit_status, json_document, parsers


def arguments(parser):
    verbs = parsers.subverbs(parser)
    json_document.add(
        parsers.verb(verbs, "list", "the scripted expert, checkpoints that ship, protocols of served policies")
    )


def run(args) -> int:
    from vipa import resources
    from vipa.commanders import registry
    from vipa.commanders.policy.kinds import ServedKind

    rows = [
        {"policy": name, "form": kind.form, "commander": kind.commander_id}
        for kind in registry.KINDS
        for name in kind.names()
    ]
    rows += [
        {"policy": f"{name}@HOST[:PORT]", "form": ServedKind.form, "commander": ServedKind.commander_id}
        for name in resources.names("config/policies")
    ]
    for row in rows:
        print(f"{row['policy']:<28} {row['form']}")
    args.document = {"policies": rows}
    return exit_status.DONE
