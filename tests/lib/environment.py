"""The environment of a bench's peers: made once, from exact versions and hashes."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def enter(name, *ours):
    """Makes build/benchvenv-NAME of bench/NAME/requirements.txt where it is not there, and our side's programs;
    then the script runs again, in it."""
    venv, wanted = ROOT / "build" / ("benchvenv-" + name), ROOT / "bench" / name / "requirements.txt"
    python, made = venv / "bin" / "python", venv / "made"
    if not made.exists() or made.stat().st_mtime < wanted.stat().st_mtime:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps",
                        "--require-hashes", "-r", str(wanted)], check=True)
        made.touch()
    for program in ours:
        subprocess.run(["make", "-s", "-C", str(ROOT), program], check=True)
    if pathlib.Path(sys.prefix) != venv:
        os.execv(str(python), [str(python), *sys.argv])
