"""The jobs of one home: made, read, changed, removed.

Invariants:
    * `status(id) == fold(events(id))`, always; `state.json` only makes it quicker.
    * Every change goes through `transaction`: the job's lock, a fold, a check of every event against the state
      machine, one group of lines on the disk. Of two processes that change a job, one sees what the other did.
    * Reading takes no lock, writes nothing, and doesn't import what only changing needs.
    * A job's directory appears whole, by a rename, and goes whole, by a rename.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from logist_core import platform
from logist_core.errors import CorruptRecord, HomeError, IllegalTransition, JobNotFound, LogistError
from logist_core.jobs import atomic, cache, files, ids, index
from logist_core.jobs.home import Home

if TYPE_CHECKING:
    from logist_core.jobs.journal import Scan
    from logist_core.jobs.transaction import Transaction
    from logist_core.jobs.vault import Vault
    from logist_core.types._json import JSON
    from logist_core.types.job import JobEvent, JobSpec, JobStatus, Lifecycle

SPEC = "spec.json"
EVENTS = "events.log"
STATE = "state.json"
LOCK = "job.lock"
ATTEMPTS = "attempts"


class _Loaded(NamedTuple):
    status: JobStatus
    seq: int
    good_bytes: int
    cached: bool


class JobStore:
    """The jobs of one home.

    Args:
        home: A verified home.
        now: The wall clock, Unix time in seconds.

    Every method may be called from any process and any thread. Those that take an id raise `JobNotFound` for a job
    that isn't there, `CorruptRecord` or `NewerVersion` for one whose files can't be used, naming the file.
    """

    def __init__(self, home: Home, *, now: Callable[[], float] = time.time) -> None:
        """Touch nothing yet."""
        self.home = home
        self._now = now
        self._path = os.fspath(home.path)
        self._jobs = os.fspath(home.jobs)
        self._vault: Vault | None = None
        self._swept = False

    # Making and removing.

    def create(self, spec: JobSpec, environment: Mapping[str, str] | None) -> JobStatus:
        """Make the job that `spec` asks for; when this returns, it is on the disk and queued.

        Args:
            spec: What is asked for. Where it names no `env_names`, those of `environment` are noted.
            environment: The environment for its attempts, kept in memory only; None: the supervisor's own.

        Raises:
            HomeError: The home can't be written, or its disk is full. Nothing of the job is left.
            LogistError: There is a job of that id.
        """
        from logist_core.jobs import journal, specfile
        from logist_core.jobs.sweep import sweep_leftovers, unfinished_name
        from logist_core.jobs.transaction import Transaction

        ids.checked(spec.id)
        if environment is not None and not spec.env_names:
            spec = replace(spec, env_names=tuple(sorted(environment)))
        transaction = Transaction(None, 0, "cli", now=self._now)
        transaction.append(
            "job.created",
            id=spec.id,
            name=spec.name,
            agent=spec.agent,
            runtime=spec.runtime,
            labels=spec.labels,
            priority=spec.priority,
            after=spec.after,
            created_at=spec.created_at,
        )
        lines = journal.encode_group(transaction.events)
        state = cache.encode(transaction.status, seq=1, journal_bytes=len(lines))
        target = os.path.join(self._jobs, spec.id)
        if os.path.lexists(target):
            raise LogistError(f"there already is a job {spec.id}")
        if not self._swept:
            self._swept = True
            sweep_leftovers(self.home, self.vault)
        if environment is not None:
            # Before the job can be seen: a supervisor may start it at once.
            self.vault.store(spec.id, environment)
        unfinished = os.path.join(self._jobs, unfinished_name(spec.id))
        try:
            _write_job(unfinished, specfile.encode(spec), lines, state)
            os.rename(unfinished, target)
        except OSError as error:
            self._give_up(spec.id, unfinished)
            raise self._cannot_create(error) from error
        try:
            files.sync_dir(self._jobs)
        except OSError as error:
            self._give_up(spec.id, target)
            raise self._cannot_create(error) from error
        return transaction.status

    def _give_up(self, job_id: str, directory: str) -> None:
        import shutil

        self.vault.drop(job_id)
        trashed = os.path.join(self.home.trash, f"{job_id}-{os.urandom(4).hex()}")
        with suppress(OSError):
            os.rename(directory, trashed)  # at once, not file by file
        shutil.rmtree(trashed, ignore_errors=True)

    def _cannot_create(self, error: OSError) -> HomeError:
        message = f"can't make a job in {self.home.path}: {error.strerror or error}"
        return HomeError(message, hint=files.hint_for(error))

    def remove(self, job_id: str, *, force: bool = False) -> None:
        """Remove a job and all its files.

        Args:
            job_id: Its id.
            force: Remove it also while it hasn't ended, or when its files can't be read. What runs isn't stopped.

        Raises:
            IllegalTransition: It hasn't ended.
            Locked: Another process works on it.
        """
        import shutil

        directory = self._existing(job_id)
        trashed = os.path.join(self.home.trash, f"{job_id}-{os.urandom(4).hex()}")
        with self._locked(job_id, 10.0):
            if not force:
                status = self.status(job_id)
                if not status.lifecycle.ended:
                    raise IllegalTransition(
                        f"job {job_id} is {status.lifecycle.value}: only a job that has ended can be removed",
                        hint=f"logist stop {job_id}, or add --force",
                    )
            try:
                os.rename(directory, trashed)
                files.sync_dir(self._jobs)
            except OSError as error:
                raise files.failed("remove", directory, error) from error
        self.vault.drop(job_id)
        shutil.rmtree(trashed, ignore_errors=True)  # what is left is swept with the next job that is made

    # Finding.

    def ids(self) -> list[str]:
        """Return the ids of all jobs, oldest first."""
        try:
            with os.scandir(self._jobs) as entries:
                found = [e.name for e in entries if ids.is_id(e.name) and e.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise files.failed("list", self._jobs, error) from error
        found.sort()
        return found

    def resolve(self, ref: str) -> str:
        """Return the id of the job that a user means by `ref`.

        An id; `@last`, the job made last; the beginning of one id; a name: of several jobs of that name, the last one
        that has not ended, or else the last one.

        Raises:
            JobNotFound: No job, or several ids, match; the message names those that come nearest.
        """
        from logist_core.jobs.reference import resolve

        return resolve(ref, self.ids(), self.statuses)

    # Reading.

    def spec(self, job_id: str) -> JobSpec:
        """Return what was asked for."""
        from logist_core.jobs import specfile

        path = os.path.join(self._existing(job_id), SPEC)
        spec = specfile.read(path)
        if spec is None:
            raise self._incomplete(job_id, path)
        if spec.id != job_id:
            raise CorruptRecord(f"{path}: the field 'id' is {spec.id}, which is not this job")
        return spec

    def status(self, job_id: str) -> JobStatus:
        """Return how the job stands."""
        self._existing(job_id)
        return self._load(job_id).status

    def statuses(
        self, job_ids: Iterable[str] | None = None, problems: list[tuple[str, LogistError]] | None = None
    ) -> Iterator[JobStatus]:
        """Yield the statuses of jobs, oldest first.

        Args:
            job_ids: Which; None: all.
            problems: Receives (id, error) of each job that can't be read; such jobs, and those that were removed in
                the meantime, are left out.
        """
        known = index.read(self._path) if job_ids is None else index.NOTHING
        for job_id in self.ids() if job_ids is None else job_ids:
            status = self.status_by(known, job_id, problems)
            if status is not None:
                yield status

    def status_by(
        self, known: index.Lines, job_id: str, problems: list[tuple[str, LogistError]] | None = None
    ) -> JobStatus | None:
        """Return the status of a job that is in the home, from the index where that knows it; None: see `statuses`."""
        if self.ended_by(known, job_id) is not None:
            body = known.state(job_id)
            if body is not None and (decoded := cache.decode_body(body, job_id, None)) is not None:
                return decoded[0]
        try:
            return self._load(job_id).status
        except JobNotFound:
            return None
        except LogistError as error:
            if problems is not None:
                problems.append((job_id, error))
            return None

    def ended_by(self, known: index.Lines, job_id: str) -> Lifecycle | None:
        """Return how a job ended, where the index has a line that holds for its journal as it is; else None."""
        try:
            return known.ended(job_id, os.lstat(f"{self._jobs}/{job_id}/{EVENTS}").st_size) if known.rows else None
        except OSError:
            return None

    def events(self, job_id: str, after_seq: int = 0) -> list[JobEvent]:
        """Return the job's events, oldest first, from number `after_seq` + 1 on."""
        scan = self.scan(job_id)
        if scan.problem is not None:
            raise scan.problem
        return scan.events[max(after_seq, 0) :]

    def scan(self, job_id: str) -> Scan:
        """Return what the journal holds, with the events before a corrupt line where there is one."""
        from logist_core.jobs import journal

        path = os.path.join(self._existing(job_id), EVENTS)
        try:
            return journal.read(path)
        except CorruptRecord:
            if not os.path.lexists(path):
                raise self._incomplete(job_id, path) from None
            raise

    def events_from(self, job_id: str, offset_bytes: int, after_seq: int) -> tuple[list[JobEvent], int]:
        """Return the events behind `offset_bytes`, and the offset for the next call: for followers.

        Args:
            job_id: The job's id.
            offset_bytes: 0, or what the last call returned.
            after_seq: Number of the last event before that offset.
        """
        from logist_core.jobs import journal

        path = os.path.join(self._existing(job_id), EVENTS)
        data = files.read_bytes(path, offset_bytes)
        if data is None:
            raise self._incomplete(job_id, path)
        scan = journal.scan(data, path, after_seq=after_seq, offset=offset_bytes)
        if scan.problem is not None and not scan.events:
            raise scan.problem
        return scan.events, scan.good_bytes

    def job_dir(self, job_id: str) -> Path:
        """Return the job's directory."""
        return Path(self._existing(job_id))

    def journal_path(self, job_id: str) -> Path:
        """Return the journal's path, for those that watch it grow."""
        return Path(self._existing(job_id), EVENTS)

    def journal_bytes(self, job_id: str) -> int | None:
        """Return the length of the job's journal; None: there is none. One of the same length needn't be read again."""
        try:
            return os.lstat(os.path.join(self._jobs, ids.checked(job_id), EVENTS)).st_size
        except OSError:
            return None

    def attempt_dir(self, job_id: str, number: int) -> Path:
        """Return the directory of attempt `number` (1, 2, 3 ...), whether or not it exists."""
        if number < 1:
            raise JobNotFound(f"job {job_id} has no attempt {number}")
        return Path(self._existing(job_id), ATTEMPTS, str(number))

    def make_attempt_dir(self, job_id: str, number: int) -> Path:
        """Make the directory of attempt `number` (0700, on the disk), or find it made; return it."""
        directory = self.attempt_dir(job_id, number)
        try:
            for path in (str(directory.parent), str(directory)):
                with suppress(FileExistsError):
                    files.make_dir(path)
                    files.sync_dir(os.path.dirname(path))
        except OSError as error:
            raise files.failed("make", str(directory), error) from error
        if not files.is_real_dir(str(directory)):
            raise CorruptRecord(f"{directory} is not a directory")
        return directory

    # Changing.

    @contextmanager
    def transaction(
        self, job_id: str, writer: str, *, timeout_s: float = 10.0, scrub: Callable[[JSON], JSON] | None = None
    ) -> Iterator[Transaction]:
        """Hold the job's lock, and write what is appended in the block, all or nothing, when it ends.

        An exception in the block writes nothing. A block that appends nothing is a look under the lock.

        Args:
            job_id: The job's id.
            writer: Who writes: `cli`, `supervisor`, `recoverer`, `sentinel`, `observer`. The pid is added.
            timeout_s: How long to wait for the lock, seconds.
            scrub: Takes out of each event's data what must not be written down.

        Raises:
            Locked: Another process held the lock all that time.
            IllegalTransition: The events end an attempt without saying what follows.
            LogistError: The journal can't be written; then nothing of it counts.
        """
        from logist_core.jobs import journal
        from logist_core.jobs.transaction import Transaction

        with self._locked(job_id, timeout_s):
            directory = self._existing(job_id)
            path = os.path.join(directory, EVENTS)
            status, seq, good_bytes, cached = self._load(job_id)
            transaction = Transaction(status, seq, writer, now=self._now, scrub=scrub)
            try:
                yield transaction
            finally:
                transaction.close()
            events = transaction.events
            if events:
                if transaction.is_settling:
                    raise IllegalTransition(
                        f"job {job_id}: after {events[-1].kind}, one of job.finished, job.waiting, job.held or "
                        "job.requeued must follow in the same transaction"
                    )
                good_bytes = journal.append(path, events, good_bytes=good_bytes)
            if events or not cached:
                state = cache.encode(transaction.status, seq=seq + len(events), journal_bytes=good_bytes)
                atomic.replace_under_lock(os.path.join(directory, STATE), state)
            if events and transaction.status.lifecycle.ended:
                index.note(self._path, job_id, transaction.status.lifecycle, state, good_bytes)
                self.vault.drop(job_id)

    def note_if_ended(self, job_id: str) -> bool:
        """Note the job in the index of the home if it has ended; return whether it has."""
        status, seq, size, _ = self._load(job_id)
        if status.lifecycle.ended:
            state = cache.encode(status, seq=seq, journal_bytes=size)
            index.note(self._path, job_id, status.lifecycle, state, size)
        return status.lifecycle.ended

    # Environments.

    @property
    def vault(self) -> Vault:
        """The environments of this home's jobs."""
        if self._vault is None:
            from logist_core.jobs.vault import Vault

            self._vault = Vault(os.fspath(self.home.path), platform.memory_dir())
        return self._vault

    def environment(self, job_id: str) -> dict[str, str] | None:
        """Return the environment that was captured for the job's attempts; None: none is kept."""
        return self.vault.load(ids.checked(job_id))

    def store_environment(self, job_id: str, environment: Mapping[str, str]) -> bool:
        """Keep an environment for the job's next attempts, in memory. Return whether there is a place to keep it."""
        return self.vault.store(ids.checked(job_id), environment)

    def drop_environment(self, job_id: str) -> None:
        """Forget the job's environment. Idempotent; done by itself when a job ends."""
        self.vault.drop(ids.checked(job_id))

    # Inside.

    def _existing(self, job_id: str) -> str:
        """Return the job's directory, which is there, and is no link to another place."""
        directory = os.path.join(self._jobs, ids.checked(job_id))
        if not files.is_real_dir(directory):
            raise JobNotFound(f"there is no job {job_id}", hint="logist ls")
        return directory

    @contextmanager
    def _locked(self, job_id: str, timeout_s: float) -> Iterator[None]:
        from logist_core.jobs.locks import file_lock

        directory = self._existing(job_id)
        with ExitStack() as stack:
            try:
                stack.enter_context(file_lock(os.path.join(directory, LOCK), timeout_s, what=f"job {job_id}"))
            except LogistError as error:
                if files.is_real_dir(directory):
                    raise
                raise JobNotFound(f"there is no job {job_id} any more", hint="logist ls") from error
            if not any(os.path.lexists(os.path.join(directory, name)) for name in (EVENTS, SPEC)):
                # The job was removed just before, and opening its lock has made the directory again. We hold the lock
                # of what is certainly not a job, so here alone a lock may go: whoever waits for it finds nothing.
                with suppress(OSError):
                    os.unlink(os.path.join(directory, LOCK))
                    os.rmdir(directory)
                raise JobNotFound(f"there is no job {job_id} any more", hint="logist ls")
            yield

    def _load(self, job_id: str) -> _Loaded:
        """Read a job's status: from the cache if that holds for the journal as it is now, else by a fold."""
        directory = os.path.join(self._jobs, ids.checked(job_id))
        path = os.path.join(directory, EVENTS)
        try:
            state = files.read_bytes(os.path.join(directory, STATE))
        except LogistError:
            state = None
        # The journal's length is taken after the cache was read: a cache can only be too old then, never too new.
        try:
            size = os.lstat(path).st_size
        except FileNotFoundError:
            raise self._incomplete(job_id, path) from None
        except OSError as error:
            raise files.failed("read", path, error) from error
        if state is not None and (cached := cache.decode(state, job_id, size)) is not None:
            return _Loaded(cached[0], cached[1], size, cached=True)
        from logist_core.jobs import journal
        from logist_core.jobs.fold import fold

        scan = journal.read(path)
        if scan.problem is not None:
            raise scan.problem
        try:
            status = fold(scan.events)
        except IllegalTransition as error:
            raise CorruptRecord(f"{path}: {error.message}") from error
        except CorruptRecord as error:
            raise CorruptRecord(f"{path}: {error.message}", hint=f"logist rm --force {job_id}") from error
        if status.id != job_id:
            raise CorruptRecord(f"{path} is the journal of job {ids.shown(status.id)}")
        return _Loaded(status, len(scan.events), scan.good_bytes, cached=False)

    def _incomplete(self, job_id: str, path: str) -> LogistError:
        """Return the error for a job's file that isn't there: damage, or no job at all."""
        directory = os.path.dirname(path)
        if any(os.path.lexists(os.path.join(directory, name)) for name in (EVENTS, SPEC)):
            return CorruptRecord(f"{path} is missing", hint=f"`logist rm --force {job_id}` gives the job up")
        return JobNotFound(f"there is no job {job_id}", hint="logist ls")


def _write_job(directory: str, spec: bytes, events: bytes, state: bytes) -> None:
    """Write a new job's directory, which must not exist, onto the disk. Raises OSError."""
    files.make_dir(directory)
    files.create_file(os.path.join(directory, SPEC), spec, durable=True)
    files.create_file(os.path.join(directory, EVENTS), events, durable=True)
    files.create_file(os.path.join(directory, STATE), state, durable=False)
    files.create_file(os.path.join(directory, LOCK), b"", durable=False)
    files.make_dir(os.path.join(directory, ATTEMPTS))
    files.sync_dir(directory)
