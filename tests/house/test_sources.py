"""Rules that every source file keeps, read from the files without running them."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("engine", "cdml_tui")
SOURCES = sorted(
    p for folder in (*PACKAGES, "tests", "data", "scripts") for p in (ROOT / folder).rglob("*.py")
)
OURS = [p for p in SOURCES if p.relative_to(ROOT).parts[0] in PACKAGES]

UNSAFE_MODULES = {
    *("pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"),
    *("yaml", "jinja2", "code", "codeop", "tarfile", "xmlrpc", "telnetlib", "ftplib"),
}
UNSAFE_CALLS = {
    *("eval", "exec", "compile", "__import__", "yaml.load", "os.system", "os.popen"),
    *("skops.card.Card", "shutil.unpack_archive", "subprocess.getoutput", "pty.spawn"),
}
# Whatever it is called on: unpacking to disk, and what is code where it comes back.
UNSAFE_METHODS = {"extractall", "extract", "get_model", "set_trusted", "read_pickle", "to_pickle"}
FORBIDDEN_FILE_NAMES = {
    "utils", "helpers", "common", "misc", "base", "core", "manager", "handler", "service", "info",
}  # fmt: skip


def name(path: Path) -> str:
    """Return a file's place in the project."""
    return path.relative_to(ROOT).as_posix()


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` as text; empty for anything else."""
    match node:
        case ast.Name(id=word):
            return word
        case ast.Attribute(value=value, attr=word):
            return f"{dotted(value)}.{word}"
    return ""


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield every module that a file imports, at its top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_has_a_docstring_and_a_size_one_can_read(path: Path) -> None:
    text = path.read_text()
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{name(path)} says nothing about its job"
    limit = 400 if path in OURS else 600
    assert len(text.splitlines()) <= limit, f"{name(path)}: perhaps two nouns"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_has_a_name_that_says_something(path: Path) -> None:
    assert path.stem not in FORBIDDEN_FILE_NAMES


# The one place that runs a text: a function sealed in a version's signed manifest.
RUNS_SEALED_TEXT = {"engine/transform/function.py": {"exec", "compile"}}


@pytest.mark.parametrize("path", OURS, ids=name)
def test_nothing_that_runs_what_it_reads_is_used(path: Path) -> None:
    tree = ast.parse(path.read_text())
    unsafe = UNSAFE_CALLS - RUNS_SEALED_TEXT.get(name(path), set())
    assert not [m for m in imported(tree) if m.split(".")[0] in UNSAFE_MODULES]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = dotted(node.func).removeprefix("builtins.")
            assert called not in unsafe, f"{name(path)}:{node.lineno}"
            assert called.rpartition(".")[2] not in UNSAFE_METHODS, f"{name(path)}:{node.lineno}"
            for keyword in node.keywords:
                assert keyword.arg != "allow_pickle", f"{name(path)}:{node.lineno} may unpickle"
                shell = keyword.arg == "shell"
                off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                assert not shell or off, f"{name(path)}:{node.lineno} starts a shell"


# Who may call out, and where: an address of cdml.toml or of keys/, never one of a request or a row.
CALLS_OUT = {
    "engine/api/desk.py": "the prediction port of cdml.toml",
    "engine/port.py": "the prediction port of cdml.toml",
    "engine/engine_link.py": "the control socket of the workspace",
    "engine/telemetry/post.py": "a target of keys/notify.toml",
    "engine/telemetry/otlp.py": "the collector of cdml.toml",
}
CLIENTS = {
    *("http.client", "urllib.request", "urllib3", "requests", "httpx", "aiohttp", "apprise"),
    *("smtplib", "opentelemetry.exporter.otlp.proto.http.trace_exporter"),
}
# Opened elsewhere, DuckDB would get extensions from the network, which are code.
OPENS_DUCKDB = {"engine/store/confined.py", "engine/transform/sql.py"}


def test_only_few_files_call_out_and_none_by_an_address_that_was_sent() -> None:
    engine = [path for path in OURS if path.relative_to(ROOT).parts[0] == "engine"]
    calling = {name(p) for p in engine if CLIENTS & set(imported(ast.parse(p.read_text())))}
    assert calling == set(CALLS_OUT)


def test_duckdb_is_opened_where_it_is_kept_from_the_network() -> None:
    opening = {
        name(path)
        for path in OURS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and dotted(node.func) == "duckdb.connect"
    }
    assert opening == OPENS_DUCKDB


@pytest.mark.parametrize("path", OURS, ids=name)
def test_nothing_is_left_for_later(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for word in ("TODO", "FIXME", "XXX", "NotImplementedError"):
            assert word not in line, f"{name(path)}:{number}"


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_imports_nothing_else(package: str) -> None:
    for path in (ROOT / package).rglob("__init__.py"):
        assert not list(imported(ast.parse(path.read_text()))), name(path)


def test_decisions_need_the_standard_library_only() -> None:
    allowed = {*sys.stdlib_module_names} - {"time", "random", "os", "socket", "sqlite3"}
    for path in (ROOT / "engine" / "domain").glob("*.py"):
        for module in imported(ast.parse(path.read_text())):
            own = module == "engine.errors" or module.startswith("engine.domain")
            assert own or module.split(".")[0] in allowed, f"{name(path)} imports {module}"
