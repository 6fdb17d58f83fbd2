"""What a run cost: the jobs in its folder, the tables made of them, and what a job writes about itself."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from configs import default, merged

from t2ipal.cli import main
from t2ipal.config import load_config
from t2ipal.costs import here, speed
from t2ipal.costs.estimate import Machine, seconds_of
from t2ipal.costs.measured import RULES, jobs_of, measured_page, planned_jobs, stages_table, times
from t2ipal.costs.units import AMX, CPU, load_units
from t2ipal.costs.workload import Workload
from t2ipal.cpu import Cpu, this_cpu
from t2ipal.errors import UserError
from t2ipal.plan.make import make_plan
from t2ipal.runtime.usage import INTERVAL, Usage, _own_peak, read_usage, sample_rarely, used

ROOT = Path(__file__).resolve().parents[2]
UNITS = load_units()
SLOW = replace(
    UNITS,
    costs={
        work: {on: replace(cost, seconds=1000 * cost.seconds) for on, cost in costs.items()}
        for work, costs in UNITS.costs.items()
    },
)
"""Costs beside which the hundredths of a second that jobs write are nothing."""
PLAIN = Machine(None, 1, 2)


def add_job(
    folder: Path, name: str, seconds: float, ended: float, cpu: float | None = None, memory: float | str = 100.0
) -> None:
    record, log = folder / f"benchmarks/{name}.jsonl", folder / f"logs/{name}.log"
    for path in (record, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"s": seconds, "max_rss": memory, "cpu_time": "NA"}) + "\n")
    log.write_text("a line\n" + (f"2026-11-30 DEBUG t2ipal.job: {Usage(cpu, 900)}\n" if cpu is not None else ""))
    os.utime(record, (ended, ended))


def small() -> Workload:
    over = {
        "ablations": {},
        "sweeps": {},
        "extra": {},
        "search": {},
        **dict.fromkeys(("score_rules", "partial", "novel", "few_shot")),
    }
    config = load_config(merged(default(), over) | over)
    return Workload(config, make_plan(config), UNITS.sizes, Path("nowhere"), 1)


def test_a_job_says_what_it_used(tmp_path: Path) -> None:
    before = used()
    sum(range(2_000_000))
    subprocess.run([sys.executable, "-c", "sum(range(2_000_000))"], check=True)
    after = used()
    assert after.cpu > before.cpu
    assert after.memory >= before.memory > 10
    (tmp_path / "a.log").write_text(f"first\n2026-11-30 06:00:00,000 DEBUG t2ipal.job: {Usage(12.345, 1181.4)}\n")
    assert read_usage(tmp_path / "a.log") == Usage(12.35, 1181.0) or read_usage(tmp_path / "a.log") == Usage(
        12.34, 1181
    )
    assert _own_peak(9.0, tmp_path / "none") == 9.0
    (tmp_path / "status").write_text("VmPeak:\t  900 kB\nVmHWM:\t  2000 kB\n")
    assert _own_peak(9.0, tmp_path / "status") == pytest.approx(2.048)
    (tmp_path / "failed.log").write_text("used 1.00 CPU-seconds, 2 MB\nerror: no\n")
    assert read_usage(tmp_path / "failed.log") is None
    assert read_usage(tmp_path / "none.log") is None


def test_the_frame_of_a_job_writes_it_last(tmp_path: Path) -> None:
    code = """
import sys
from types import SimpleNamespace
from t2ipal.runtime.job import run
class Files(list):
    def get(self, name, default=None): return default
job = SimpleNamespace(log=[sys.argv[1]], output=[], input={}, params={}, resources={}, rule="one")
run(lambda snakemake: None, job)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "one.log")], check=True, cwd=tmp_path)
    usage = read_usage(tmp_path / "one.log")
    assert usage is not None
    assert 0 < usage.cpu < 30


def test_snakemake_samples_its_jobs_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = importlib.import_module("snakemake.benchmark")
    monkeypatch.setattr(benchmark, "BENCHMARK_INTERVAL_SHORT", 0.5)
    monkeypatch.setattr(benchmark.ScheduledPeriodicTimer, "work", lambda self: None)
    sample_rarely()
    timer = benchmark.ScheduledPeriodicTimer(benchmark.BENCHMARK_INTERVAL)
    timer.start()
    timer.cancel()
    assert timer._timer.interval == INTERVAL > 0.5


def test_jobs_are_summed_by_rule(tmp_path: Path) -> None:
    add_job(tmp_path, "train/micro/tai_dpt/base", 40, 1050, 30.25)
    add_job(tmp_path, "train/micro/t2i_pal/base", 60, 1060, 50.25)
    add_job(tmp_path, "table/table1", 2, 1070, 1)
    jobs = jobs_of(tmp_path)
    assert [job.name for job in jobs] == ["train/micro/tai_dpt/base", "train/micro/t2i_pal/base", "table/table1"]
    assert stages_table(jobs).splitlines()[2:] == [
        "| training | `train` | 2 | 100 | 80 | 900 MB |",
        "| paper and report | `table` | 1 | 2 | 1 | 900 MB |",
        "| all |  | 3 | 102 | 82 | 900 MB |",
    ]
    text = "From the start of the first job to the end of Table 1: 1 min 10 s, to the end of the last: 1 min 10 s."
    assert times(jobs) == text


def test_what_no_job_wrote_is_not_made_up(tmp_path: Path) -> None:
    add_job(tmp_path, "table/table2", 2, 1000, None, "NA")
    assert stages_table(jobs_of(tmp_path)).splitlines()[-1] == "| all |  | 1 | 2 | not known | 0 MB |"
    add_job(tmp_path, "table/table1", 2, 5000)
    assert "several runs" in times(jobs_of(tmp_path))


def test_records_that_are_none_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="benchmarks: no records of jobs; expected those of a run"):
        jobs_of(tmp_path)
    add_job(tmp_path, "claims", 1, 1)
    (tmp_path / "benchmarks/claims.jsonl").write_text("s\th\n")
    with pytest.raises(UserError, match=r"claims.jsonl: not Snakemake's record of a job; expected a line of JSON"):
        jobs_of(tmp_path)


def test_every_rule_with_a_record_has_a_stage() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
    recorded = set(re.findall(r'"<results>/benchmarks/(\w+)[/.]', text))
    assert recorded - {"search_settings"} == {rule for rules in RULES.values() for rule in rules}


def test_the_jobs_of_a_plan_are_found_and_others_left_out(tmp_path: Path) -> None:
    works = small().all()
    for number, work in enumerate(works):
        add_job(tmp_path, work.at or "table/table1", 2 * seconds_of(work, UNITS, PLAIN), 1000 + number, 1.5)
    add_job(tmp_path, "captions_drawn/micro", 9, 999, 9)
    jobs = jobs_of(tmp_path)
    mine = planned_jobs(jobs, works)
    assert len(mine) == len(works) == len(jobs) - 1
    page = measured_page(jobs, works, UNITS, PLAIN, "This CPU.")
    assert "Left out: 1 jobs that this config has not." in page
    assert "captions_drawn" not in page


def test_a_run_that_took_twice_the_plan_says_so_by_stage_and_item(tmp_path: Path) -> None:
    works = small().all()
    for work in works:
        for index in range(work.jobs):
            name = work.at if work.jobs == 1 else f"{work.at}/{index}"
            add_job(tmp_path, name or "table/table1", 9, 1000, 2 * seconds_of(work, SLOW, PLAIN))
    jobs = jobs_of(tmp_path)
    page = measured_page(jobs, works, SLOW, PLAIN, "This CPU.")
    ratios = [line.split(" | ")[-1] for line in page.splitlines() if line.startswith("| ") and line.count("|") == 5]
    assert set(ratios[2:]) == {"2.00 |"}
    factors = {line.split(" | ")[0]: line.split(" | ")[3] for line in page.splitlines() if line.startswith("| `")}
    assert factors["| `start`"] == factors["| `micro_pass`"] == factors["| `micro_own_prompt`"] == "2.00"


def test_products_take_time_by_the_speed_of_this_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    work = next(work for work in small().all() if work.at == "generate/micro/micro")
    start = UNITS.of("start", CPU).seconds
    plain, fast = (seconds_of(work, UNITS, machine) for machine in (PLAIN, Machine(None, 1, 2, CPU, 2.0)))
    assert fast - start == pytest.approx((plain - start) / 2)
    amx = seconds_of(work, UNITS, Machine(None, 1, 2, AMX, 2.0))
    assert amx - start == pytest.approx(work.items["micro_pass"] * UNITS.costs["micro_pass"][AMX].seconds)
    monkeypatch.setattr(here, "this_cpu", lambda: Cpu("A", 8, "AVX512"))
    monkeypatch.setattr(here, "gflops", lambda cores: UNITS.gflops * cores)
    machine, text = here.machine_of(SimpleNamespace(gpu=None, gpus=1, cores=3), UNITS)
    assert (machine.cpu, machine.speed) == (CPU, 3.0)
    assert text.startswith("Seconds are for this CPU, 8 cores of A, AVX512, no AMX: ")
    machine, text = here.machine_of(SimpleNamespace(gpu="A100", gpus=8, cores=64), UNITS)
    assert (machine.cpu, machine.speed) == (CPU, 1.0)
    assert UNITS.hardware[CPU] in text


def test_the_speed_of_a_core_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SECONDS", 0.005)
    assert 0.1 < speed.measure() < 10_000


def test_a_cpu_has_a_name_and_the_widest_of_its_kinds(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    for flags, kind in (
        ("fma avx2", "AVX2"),
        ("avx2 avx512f", "AVX512"),
        ("avx2 avx512f amx_bf16", "AMX"),
        ("sse", ""),
    ):
        info.write_text(f"processor\t: 0\nmodel name\t: Some  CPU\nflags\t\t: {flags}\n\nmodel name\t: Some CPU\n")
        found = this_cpu(info)
        assert (found.model, found.kind) == ("Some CPU", kind)
    assert this_cpu(tmp_path / "none").kind == ""
    assert str(Cpu("A", 2, "AVX2")) == "2 cores of A, AVX2, no AMX"
    assert str(Cpu("A", 1, "AMX")) == "1 core of A, AMX"


def test_the_command_prints_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(here, "gflops", lambda cores: UNITS.gflops)
    (tmp_path / "config.yaml").write_bytes((ROOT / "config.yaml").read_bytes())
    assert main(["results", "--stages"]) == 1
    assert capsys.readouterr().err.startswith("error: results/micro/benchmarks: no records of jobs")
    add_job(tmp_path / "results/micro", "train/micro/t2i_pal/base", 40, 1050, 30)
    assert main(["results", "--stages"]) == 0
    out = capsys.readouterr().out
    assert "| training | `train` | 1 | 40 | 30 | 900 MB |" in out
    assert "| `micro_own_prompt` | 1 |" in out
