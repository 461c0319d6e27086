"""Checks rendering, ROS, messages and disk on this machine; every finding comes with the line that mends it."""

from vipa_cli import exit_status, json_document


def arguments(parser):
    json_document.add(parser)
    parser.add_argument("--quiet", action="store_true", help="only what is wrong")


def run(args) -> int:
    from vipa_ros.preflight import doctor

    findings = doctor.check()
    for finding in findings:
        if not (finding.ok and args.quiet):
            print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name}: {finding.detail}")
            if not finding.ok and finding.fix:
                print(f"      mend: {finding.fix}")
    good = all(f.ok for f in findings)
    args.document = {"ok": good, "findings": findings}
    return exit_status.DONE if good else exit_status.FAILED
