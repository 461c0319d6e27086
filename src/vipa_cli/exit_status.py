"""Exit statuses of every verb. docs/cli.md and `vipa --help` print this table."""

DONE = 0
FAILED = 1
REFUSED = 2
INTERRUPTED = 130

MEANINGS = {
    DONE: "it did its job; an episode that ran and was scored did, success or not, unless --require-success",
    FAILED: "it ran and did not do its job: an episode ended as an error, a check found errors, a disk is full",
    REFUSED: "the request was wrong; one line on standard error says what, where, and what is allowed",
    INTERRUPTED: "interrupted by Ctrl-C, SIGTERM or SIGHUP; what runs until Ctrl-C (cell, teleop, serve, operator, console, view) gives 0",
}
