"""The design as failing tests: who may import whom, what is where, how large a room may be."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted([*(ROOT / "sync").rglob("*.py"), *(ROOT / "forecasting").rglob("*.py")])
FILE_LINES, FUNCTION_LINES = 450, 60
NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
PACKAGES = [
    "forecasting",
    "forecasting/methods",
    "forecasting/quality",
    "forecasting/rule_words",
    "sync",
    "sync/alerts",
    "sync/alerts/channels",
    "sync/cli",
    "sync/config",
    "sync/crm",
    "sync/crm/files",
    "sync/crm/hubspot",
    "sync/crm/pipedrive",
    "sync/jobs",
    "sync/mirror",
    "sync/mirror/migrations",
    "sync/sandbox",
    "sync/web",
    "sync/writeback",
]
MODULES = ["bootstrap", "clock", "errors", "telemetry", "worker"]


def lint_imports(where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=where,
        env={**os.environ, "COLUMNS": "200"},  # contracts' names on one line each
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_import_contract_holds() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout
    assert " 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("forecasting/deals.py", "import requests", "The core is pure"),
        ("forecasting/deals.py", "import sync.errors", "The core never reaches for the shell"),
        ("sync/errors.py", "import sync.mirror.schema", "The shell's layers"),
        ("sync/config/model.py", "import sync.crm.hubspot", "Only the composition root"),
        ("sync/mirror/write.py", "import sync.mirror.frames", "Who only reads a CRM"),
        ("sync/sandbox/company.py", "import sync.crm.base", "The sandbox shares nothing"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    tmp_path: Path, module: str, line: str, contract: str
) -> None:
    for name in ("sync", "forecasting"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    result = lint_imports(tmp_path)
    broken = [text for text in result.stdout.splitlines() if text.endswith("BROKEN")]
    assert result.returncode == 1
    assert any(text.startswith(contract) for text in broken), result.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_of_the_design_is_there(package: str) -> None:
    assert (ROOT / package / "__init__.py").is_file()


@pytest.mark.parametrize("module", MODULES)
def test_every_module_of_the_design_is_there(module: str) -> None:
    assert (ROOT / "sync" / f"{module}.py").is_file()


def test_every_folder_with_code_is_a_package() -> None:
    assert not [
        path for path in {file.parent for file in CODE} if not (path / "__init__.py").exists()
    ]


def test_files_have_names_that_say_something() -> None:
    assert not [path for path in CODE if path.stem in NAMELESS or path.parent.name in NAMELESS]


def test_files_are_short_enough_to_live_in() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in CODE
        if (lines := len(path.read_text("utf-8").splitlines())) > FILE_LINES
    }
    assert not [path for path in long if "/migrations/versions/" not in path], long


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def long_functions(source: str) -> list[str]:
    return [
        f"{function.name}: {length} lines"
        for function in functions(ast.parse(source))
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    ]


def swallowed(source: str) -> list[int]:
    """Lines of handlers that catch everything and let the program go on as if nothing were."""
    return [
        handler.lineno
        for handler in ast.walk(ast.parse(source))
        if isinstance(handler, ast.ExceptHandler)
        and _catches_all(handler.type)
        and not any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    ]


def _catches_all(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(
        isinstance(name, ast.Name) and name.id in ("Exception", "BaseException") for name in names
    )


def found_in_code(check: object) -> dict[str, object]:
    assert callable(check)
    found = {str(path.relative_to(ROOT)): check(path.read_text("utf-8")) for path in CODE}
    return {path: what for path, what in found.items() if what}


def test_functions_are_short_enough_to_read() -> None:
    found = found_in_code(long_functions)
    assert not [path for path in found if "/migrations/versions/" not in path], found


def test_no_error_is_swallowed() -> None:
    assert not found_in_code(swallowed)


def test_these_checks_can_fail() -> None:
    assert long_functions("def f():\n" + "    x = 1\n" * FUNCTION_LINES)
    assert swallowed("try:\n    f()\nexcept Exception:\n    log()\n")
    assert swallowed("try:\n    f()\nexcept:\n    pass\n")
    assert swallowed("try:\n    f()\nexcept (KeyError, Exception):\n    pass\n")
    assert not swallowed("try:\n    f()\nexcept Exception:\n    log()\n    raise\n")
    assert not swallowed("try:\n    f()\nexcept KeyError:\n    pass\n")
