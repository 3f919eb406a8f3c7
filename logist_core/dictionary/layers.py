"""Puts a job's dictionary together: packages, then the user's own rules, then the project's, then the job's.

Invariant: what a repository ships can't spread. A project's rule adds a weak claim about this job alone: it replaces
and disables nothing, never ends, holds or postpones a job, and doesn't outweigh a surer claim. What its
user wants it to do beyond that, the user says with `--patterns`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from logist_core.config.files import folders_of_project, read_toml
from logist_core.config.layers import user_path
from logist_core.config.text import printable
from logist_core.errors import ConfigError, UsageError
from logist_core.observe.lint import rule_problems
from logist_core.observe.matcher import Dictionary
from logist_core.types._json import JSON
from logist_core.types.dictionary import pattern_set_from_files, set_from_mapping, set_to_mapping
from logist_core.types.signals import Claim, PatternSet, Rule

if TYPE_CHECKING:
    from logist_core.registry import Registry

USER, PROJECT, JOB = "user", "project", "job"
#: Beside the project's file, in the repository.
PROJECT_FOLDER = Path(".logist", "patterns")
MOST_FILES = 100

#: What a project's rule may claim: how the work stands, and that somebody is asked. Nothing follows from these but a
#: notice; limits, logins and endings make jobs wait, and are shared between jobs.
PROJECT_CLAIMS = frozenset(
    {
        Claim.WORKING,
        Claim.WAITING_INPUT,
        Claim.PERMISSION_PROMPT,
        Claim.UPDATE_PROMPT,
        Claim.TOOL_ERROR,
        Claim.HOOK_BLOCKED,
    }
)
#: Below `arbitrate.WEAK`: such a claim withdraws and replaces nothing that is surer.
PROJECT_CONFIDENCE = 0.5
#: What such a rule may capture: nothing that a session is taken up by or a tool call is closed by.
PROJECT_FIELDS = frozenset({"tool", "path", "model", "options"})
MOST_PROJECT_RULES = 50
MOST_PROJECT_REGEX = 1_000


def user_folder(env: Mapping[str, str] = os.environ) -> Path:
    """Return where the user's own rules are, beside the user's configuration; it needs not exist."""
    return user_path(env).parent / "patterns"


def user_set(env: Mapping[str, str] = os.environ) -> PatternSet | None:
    """Return the user's own rules, or None where there are none.

    Raises:
        ConfigError: A file of them is wrong.
    """
    return _set(USER, _files_in(user_folder(env)), owned=False)


def project_set(cwd: Path) -> tuple[PatternSet | None, list[str]]:
    """Return the rules of the project around `cwd`, bounded as this module says, and what was left out of them."""
    folder = next((f for above in folders_of_project(cwd) if os.path.isdir(f := above / PROJECT_FOLDER)), None)
    if folder is None:
        return None, []
    warnings: list[str] = []
    kept: dict[str, Rule] = {}
    for path in _files_in(folder):
        try:
            found = _set(PROJECT, [path], owned=True)
        except ConfigError as error:
            warnings.append(f"{error.message}; the file is ignored")
            continue
        assert found is not None
        if found.disable:
            warnings.append(f"{printable(path)}: a project can't disable rules; ignored")
        for rule in found.rules:
            if reason := _refused(rule, len(kept)):
                warnings.append(f"{printable(path)}: {rule.id}: {reason}; ignored")
            else:
                kept[f"project/{rule.id.replace('/', '-')[:64]}"] = rule
    rules = tuple(
        replace(rule, id=rule_id, confidence=min(rule.confidence, PROJECT_CONFIDENCE), final=False)
        for rule_id, rule in kept.items()
    )
    return (PatternSet(name=PROJECT, rules=rules) if rules else None), warnings


def job_set(paths: Sequence[str], *, checked: bool = True) -> PatternSet | None:
    """Return the rules of the files that were given for one job, or None where none was.

    Args:
        paths: The files.
        checked: Refuse rules that can't work; else that is left to `lint`.

    Raises:
        UsageError: A file can't be read, or holds no rules.
    """
    for path in paths:
        if not os.path.isfile(path):
            raise UsageError(f"--patterns: there is no file {printable(path)!r}", hint="logist patterns new --help")
    try:
        found = _set(JOB, [Path(path) for path in paths], owned=False)
    except ConfigError as error:
        raise UsageError(f"--patterns: {error.message}", hint=error.hint) from error
    for rule in found.rules if found and checked else ():
        wrong = [text for text in rule_problems(rule.id, rule) if "has no literals" not in text]
        if wrong:
            raise UsageError(f"--patterns: {wrong[0]}", hint="logist patterns lint FILE")
    return found


def recorded(sets: Iterable[PatternSet | None]) -> tuple[Mapping[str, JSON], ...]:
    """Return the sets as `JobSpec.patterns` holds them."""
    return tuple(set_to_mapping(found) for found in sets if found is not None)


def sets_for_job(base: Iterable[PatternSet], record: Iterable[Mapping[str, JSON]]) -> list[PatternSet]:
    """Return all sets for a job, weakest first: the base and what was recorded with the job.

    A record that can't be read, which only a hand can have written, is left out.
    """
    sets = list(base)
    for table in record:
        try:
            sets.append(set_from_mapping(table))
        except ConfigError:
            continue
    return sets


def dictionary_here(
    registry: Registry, cwd: Path | None, paths: Sequence[str] = (), *, checked: bool = True
) -> tuple[Dictionary, list[str]]:
    """Return the dictionary of a job that would be submitted in `cwd` with `--patterns PATHS`, and what is ignored.

    Args:
        registry: For the installed sets.
        cwd: Where to look for a project's rules; None: leave them out.
        paths: The job's files.
        checked: See `job_set`.

    Raises:
        ConfigError: A file of the user's is wrong.
        UsageError: One of `paths` is.
    """
    project, warnings = project_set(cwd) if cwd is not None else (None, [])
    upper = (user_set(), project, job_set(paths, checked=checked))
    return Dictionary([*registry.patterns(), *(found for found in upper if found is not None)]), warnings


def _files_in(folder: Path) -> list[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(".toml"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"{printable(folder)}: can't be read: {error.strerror}") from None
    return [folder / name for name in names[:MOST_FILES]]


def _set(name: str, paths: Iterable[Path], *, owned: bool) -> PatternSet | None:
    texts = {printable(path): read_toml(path, owned=owned)[1] for path in paths}
    return pattern_set_from_files(name, texts) if texts else None


def _refused(rule: Rule, number: int) -> str | None:
    """Return why a project's rule isn't used, or None."""
    if number >= MOST_PROJECT_RULES:
        return f"a project may have {MOST_PROJECT_RULES} rules"
    if rule.claim not in PROJECT_CLAIMS:
        return f"a project's rule can't claim {rule.claim}"
    if "json" in rule.channels:
        return "a project's rule can't read structured lines"
    if extra := sorted(set(rule.fields) - PROJECT_FIELDS):
        return f"a project's rule can't capture {extra[0]!r}"
    if len(rule.regex) > MOST_PROJECT_REGEX:
        return f"its regex is longer than {MOST_PROJECT_REGEX} characters"
    problems = rule_problems(rule.id, rule)
    return next((text.partition(": ")[2] for text in problems), None)
