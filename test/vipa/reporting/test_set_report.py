"""The report of a set: what it says is what trials.jsonl and the scorecards say; one page without anything from elsewhere."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from helpers.fake_trials import card_of
from vipa.errors import VipaError
from vipa.evaluation import preferences, trial_file
from vipa.evaluation.plan import CommanderEntry, Plan
from vipa.evaluation.trial_set import TrialSet, begun
from vipa.reporting import set_data, set_report
from vipa.tasks import scorecard
from vipa_cli.cli import main

PLAN = Plan(
    {"good": CommanderEntry("expert"), "bad": CommanderEntry("expert", noise=0.1)},
    ["water_plant"],
    ["seen", "unseen"],
    6,
)


def done(card, number):
    """`card` with its first `number` sub-tasks done."""
    subtasks = [replace(s, status="done", t_done_s=2.0) if i < number else s for i, s in enumerate(card.subtasks)]
    whole = number == len(subtasks)
    fields = {
        "subtasks": subtasks,
        "subtask_score": number / len(subtasks),
        "success": whole,
        "duration_s": 5.0 if whole else 30.0,
    }
    return replace(card, **fields, outcome="success" if whole else "timeout", failure=None if whole else card.failure)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Good does all, bad the first sub-task alone; one pair was redone."""
    path = tmp_path_factory.mktemp("set")
    with TrialSet(path, PLAN, begun(PLAN, {"good": "a" * 64})) as trials:
        first = trials.todo()[0]
        trials.record(
            first, trials.row(first, verdict="system", success=None, subtask_score=None, failure_class="no light")
        )
        for trial in trials.todo():
            card = done(
                card_of(trial.card.seed, "timeout", detail="time <limit>"), 3 if trial.commander == "good" else 1
            )
            run = trials.run_folder(trial)
            run.mkdir(parents=True)
            scorecard.write(card, run / "scorecard.json")
            (run / "strip.jpg").write_bytes(b"picture")
            row = trials.row(
                trial, verdict="success" if card.success else "out_of_time", success=card.success, subtask_score=card.subtask_score,
                duration_s=card.duration_s, failure_class=None if card.success else "stuck", latency={"mode": "charged", "p50_s": 0.1, "p99_s": 0.2},
            )  # fmt: skip
            trials.record(trial, row)
    set_report.write(path)
    return path


def test_the_figures(folder):
    data = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert list(data["columns"]) == ["water_plant seen", "water_plant unseen"] and data["planned"] == 24
    good, bad = (data["commanders"][name] for name in ("good", "bad"))
    assert (good["n"], good["successes"], bad["successes"]) == (12, 12, 0) and good["sha256"] == "a" * 64
    assert data["beside"] == "good" and (good["throughput_beside"], bad["throughput_beside"]) == (1.0, 0.0)
    assert bad["score_mean"] == pytest.approx(1 / 3) and good["successes_an_hour"] == pytest.approx(720)
    assert data["funnels"]["water_plant"]["bad"] == [
        ["pick up watering can", 12, 12],
        ["locate plant", 0, 12],
        ["press spray handle", 0, 12],
    ]
    assert data["failures"] == {"stuck": {"good": 0, "bad": 12}}
    times = data["times"]["water_plant"]
    assert (
        times["limit_s"] == 30
        and times["commanders"]["good"]["restricted_mean_s"] == 5
        and times["commanders"]["bad"]["restricted_mean_s"] == 30
    )
    assert data["comparisons"][0]["verdict"] == "a better" and data["comparisons"][0]["paired"]["pairs"] == 12
    assert [v["verdict"] for v in data["void"]] == ["system"]


class Page(HTMLParser):
    """Addresses that a page loads or links, and whether its tags close."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.loads += [found[k] for k in ("src", "poster") if k in found] + ([found["href"]] if tag == "link" else [])
        self.links += [found["href"]] if tag == "a" else []
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_carries_all_it_shows_and_its_links_lead_somewhere(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open and page.loads and all(address.startswith("data:") for address in page.loads)
    assert "http" not in re.sub(r"data:[^\"']*", "", text).replace("http-equiv", "")
    assert page.links and all((folder / link).exists() for link in page.links)
    assert "time &lt;limit&gt;" in text and "time <limit>" not in text
    assert text.count('class="trial s') == 25 and "no light" in text and "how a real robot would do" in text


def test_a_large_set_links_its_pictures(folder, monkeypatch):
    monkeypatch.setattr(set_report, "EMBEDDED", 3)
    text = set_report.page(folder, set_data.of_set(folder))
    assert 'src="trials/' in text and "data:image/jpeg" not in text


def test_the_tables_say_the_same(folder):
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert "| good | 12 | 100/100 (54 to 100 / 54 to 100) |" in markdown and "good is better than bad" in markdown
    with (folder / "report.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and rows[0]["column"] == "water_plant seen" and rows[0]["successes"] == "6"


def test_trials_of_somebody_else_without_plan_and_run_folders(folder, tmp_path):
    rows = [
        replace(r, run_folder=None, pair_id=None, commander_sha256=None)
        for r in trial_file.read(folder / "trials.jsonl")
    ]
    trial_file.write(tmp_path / "trials.jsonl", rows)
    with pytest.raises(SystemExit) as end:
        main(["report", str(tmp_path)])
    assert end.value.code == 0 and "No pairs." in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_links_are_addresses_whatever_a_folder_is_called(folder, tmp_path):
    rows = [replace(r, run_folder=f"a #{i}?%20") for i, r in enumerate(trial_file.read(folder / "trials.jsonl"))]
    trial_file.write(tmp_path / "trials.jsonl", rows)
    for row in rows:
        (tmp_path / row.run_folder).mkdir()
        (tmp_path / row.run_folder / "report.html").write_text("x", encoding="utf-8")
    links = Page(set_report.write(tmp_path).read_text(encoding="utf-8")).links
    assert len([link for link in links if link.startswith("a%20%23")]) == len(rows)
    assert all((tmp_path / unquote(link)).is_file() for link in links)


@pytest.mark.parametrize(
    "latency", [None, {"p50_s": 0.1}, {"p99_s": 0.1}, {"p50_s": True}, {"p50_s": "x", "p99_s": [1]}, "slow"]
)
def test_whatever_others_say_of_latency(folder, tmp_path, latency):
    rows = [replace(r, run_folder=None, latency=latency) for r in trial_file.read(folder / "trials.jsonl")]
    trial_file.write(tmp_path / "trials.jsonl", rows)
    text = set_report.write(tmp_path).read_text(encoding="utf-8")
    assert ('<td class="num">100</td>' in text) == (latency == {"p50_s": 0.1})


def test_a_real_set_names_nobody_before_it_is_finished(folder, tmp_path, capsys):
    real = replace(PLAN, cell="real", driver="ur")
    with TrialSet(tmp_path, real, begun(real, {})) as trials:
        trial = trials.todo()[0]
        trials.record(trial, trials.row(trial, verdict="failure", success=False, subtask_score=0.0, duration_s=3.0))
    for line in (["report"], ["compare", "--a", "good", "--b", "bad"]):
        with pytest.raises(SystemExit) as end:
            main([line[0], str(tmp_path), *line[1:]])
        assert end.value.code == 2 and "23 trials are left" in capsys.readouterr().err
        with pytest.raises(SystemExit) as end:
            main(
                [line[0], str(tmp_path / "trials.jsonl" if line[0] == "compare" else tmp_path), *line[1:], "--unblind"]
            )
        assert "trials are left" not in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["report", str(tmp_path), "--unblind"])
    assert end.value.code == 0


def test_a_real_set_is_finished_when_every_trial_is_over_whoever_judged_it(tmp_path):
    real = replace(PLAN, cell="real", driver="ur", trials=1)
    with TrialSet(tmp_path, real, begun(real, {})) as trials:
        for trial in trials.todo():
            told = {"verdict": "unscored", "success": None, "subtask_score": None}
            told = {"verdict": "failure", "success": False, "subtask_score": 0.0} if trial.order else told
            trials.record(trial, trials.row(trial, **told, duration_s=3.0))
    set_data.check_finished(tmp_path)


def test_what_a_person_preferred_stands_beside_what_was_measured(tmp_path):
    three = replace(PLAN, commanders=PLAN.commanders | {"third": CommanderEntry("expert")}, variants=["seen"], trials=2)
    with TrialSet(tmp_path, three, begun(three, {})) as trials:
        for trial in trials.todo():
            row = trials.row(trial, verdict="failure", success=False, subtask_score=0.0, duration_s=3.0)
            trials.record(trial, row)
        first, second = trials.rows[:2]
    preferences.append(
        tmp_path,
        preferences.Preference(first.pair_id, first.trial_id, second.trial_id, first.trial_id, "gentle", "Ada"),
    )
    for text in (
        set_report.write(tmp_path).read_text(encoding="utf-8"),
        (tmp_path / "report.md").read_text(encoding="utf-8"),
    ):
        assert "of 1 pairs that ended alike" in text
        assert f"{first.commander} was preferred in 1" in text or f"{first.commander} in 1" in text
        assert "3 comparisons" in text and "up to 15 %" in text and "e-value of 60" in text


def test_a_set_without_a_trial_has_no_report(tmp_path):
    (tmp_path / "trials.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(VipaError, match="no trial that counts"):
        set_report.write(tmp_path)
