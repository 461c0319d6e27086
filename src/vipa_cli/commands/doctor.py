"""Checks rendering, ROS, messages and disk on this machine; every finding comes with the line that mends it."""


def arguments(parser):
    parser.add_argument("--quiet", action="store_true", help="only what is wrong")


def run(args) -> int:
    from vipa_ros.preflight import doctor

    findings = doctor.check()
    for finding in findings:
        if not (finding.ok and args.quiet):
            print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name}: {finding.detail}")
            if not finding.ok and finding.fix:
                print(f"      mend: {finding.fix}")
    return 0 if all(f.ok for f in findings) else 1
