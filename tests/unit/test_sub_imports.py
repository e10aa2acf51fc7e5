"""What a sub pod imports: every package is paid at each start, and is one more that may be attacked."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# As a pod does, up to the first setting that it misses: every module of the stage is there by then.
CODE = """
import sys
from steps.__main__ import main
import steps.sub
from catalog import find
find.load("fx")
main(["sub", "--feed=fx"], {})
own = {"catalog", "feeds", "ledger", "steps", "business_day", "calendar_client", "__main__"}
files = {name.split(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
print(*sorted(files - set(sys.stdlib_module_names) - own))
"""


def test_sub__imports_these_packages_and_no_other() -> None:
    """No HTTP client, no retry library, no hera, no screen: those are relay's, the manifests' and a person's."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, cwd=ROOT)
    assert [name for name in done.stdout.splitlines()[-1].split() if not name.startswith("_")] == [
        "annotated_types",
        "confluent_kafka",
        "psycopg",
        "psycopg_binary",
        "pydantic",
        "pydantic_core",
        "typing_extensions",
        "typing_inspection",
    ]
