"""The native half of the package. Import from `enclava_keys`."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from datetime import datetime
from decimal import Decimal
from os import PathLike
from types import TracebackType
from typing import Any, ClassVar, Final, Literal, Self, TypeAlias, TypeVar, Unpack, final

from enclava_keys.arguments import Amount, Body, Ip, KeyChanges, KeyFields, Seconds, Time
from enclava_keys.ledger import Ledger, Phase, RowKey
from enclava_keys.store import Store
from enclava_keys.values import Alert, Balances, Check, Event, Health, Lease, Reason, Stats, Tally

__all__ = [
    "Call",
    "Change",
    "Decision",
    "Denial",
    "Door",
    "Gate",
    "Hold",
    "Key",
    "ManualClock",
    "Moved",
    "NewKey",
    "Outcome",
    "Permit",
    "PriceBook",
    "Replay",
    "Row",
    "Secret",
    "Settlement",
    "Sqlite",
    "Step",
    "Stream",
    "Tap",
    "Usage",
    "__version__",
    "after_fork",
    "after_fork_in_parent",
    "bearer",
    "before_fork",
    "denial_told",
    "dispatch_body",
    "resolve_client_ip",
    "settlement_told",
    "wait_seconds",
]

__version__: Final[str]

# Those of ASGI.
_Scope: TypeAlias = MutableMapping[str, Any]
_Message: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[_Message]]
_Send: TypeAlias = Callable[[_Message], Awaitable[None]]

_Callback = TypeVar("_Callback", bound=Callable[[Alert], object])

@final
class Gate:
    """The one object that a gateway holds: it manages keys and authorizes requests."""
    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: ManualClock | None = None,
        store: str | Store | None = None,
        ledger: str | Ledger | None = None,
        prices: PriceBook | dict[str, Any] | None = None,
        peppers: Mapping[str, bytes] | Iterable[tuple[str, bytes]] | None = None,
        leased: bool | None = None,
        on_unavailable: Literal["deny", "admit"] | None = None,
        hold_seconds: Seconds | None = None,
        on_lapse: Literal["charge", "release"] | None = None,
        max_in_flight: int | None = None,
        refresh_seconds: Seconds | None = None,
        stale_seconds: Seconds | None = None,
        hide_amounts: bool | None = None,
        hide_state: bool | None = None,
    ) -> Gate:
        """Open the gate at `url`.

        - `memory:` keeps keys and budgets in this process.
        - `file:///etc/enclava/policy.json` reads keys from a policy file and keeps budgets in this process.
        - `sqlite:///relative.db` or `sqlite:////absolute.db` keeps both in a SQLite file, for the processes of
          this host.

        `store` and `ledger` say otherwise where keys or budgets live: a URL, or an object that does what
        `enclava_keys.store.Store` or `enclava_keys.ledger.Ledger` says. `clock` is a `ManualClock` for tests
        and replays. `prices` are for `authorize_request`: a `PriceBook`, or a dict as `PriceBook.from_json`
        reads it. `peppers` key the hashes of secrets, ids to 32 to 64 bytes: the first for new secrets, up to
        four for those presented.

        `leased=True` takes slices of the budgets and hands them out in this process, so that most calls do not ask the
        ledger: for a ledger that processes share. Limits still hold exactly. Permits and request ids then work in the
        process that was asked for them, alerts come a second or more later, calls in flight are bounded for each process,
        coroutines go by way of a thread, and what a killed process had leased stays held until somebody settles it
        (`leases`).

        `on_unavailable`: `"deny"` (the default), or `"admit"` to let calls of known keys through while the
        ledger cannot answer; their permits say so (`is_degraded`). `hold_seconds` (600) is how long a hold
        lives when nobody settles it, `on_lapse` whether it is then charged its estimate (`"charge"`, the
        default) or let go (`"release"`). `max_in_flight` (4096) bounds the calls of one key in flight. A store
        that others write to is asked for news every `refresh_seconds` (1); when it has been silent for
        `stale_seconds` (30), calls are denied. `hide_amounts` and `hide_state` make denials say less.

        Raises `InvalidValue` for a URL or a setting that is none, `InvalidRecord` with every fault of a policy
        file or of prices, `LedgerError` if the store cannot be read.

        In a forked child a gate works on: permits that came along are the parent's to resolve, and budgets in
        memory are each process's own.
        """
    @property
    def closed(self) -> bool:
        """Whether it was closed."""
    @property
    def blocks(self) -> bool:
        """Whether calls may block, so that an event loop should await their `_async` twins."""
    def close(self) -> None:
        """Flush, and admit nothing from now on. What was admitted may still be settled. Closing again does nothing; a gate
        that nobody closed is closed when the process ends.
        """
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
        /,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
        /,
    ) -> None: ...
    def authorize(
        self,
        secret: str | bytes | None,
        *,
        model: str | None = None,
        cost: Amount | None = None,
        tokens: int | None = None,
        purpose: str | None = None,
        endpoint: str | None = None,
        ip: Ip | None = None,
        request_id: str | None = None,
        wait: Seconds | None = None,
    ) -> Permit:
        """Admit one call: the key is in force, its policy allows the request, and the estimate fits every budget
        and is now set aside.

        `cost` (US dollars) and `tokens` are the most that the call may take; what is absent is none.
        `request_id` is the gateway's own name for the request, 1 to 256 bytes, never the client's: asked again
        while the call is in flight, the same request finds the same hold. `wait` sits out, for at most so many
        seconds, a denial that calls in flight alone are the cause of; other threads and handlers of signals run
        meanwhile.

        Raises `Denied` with all there is to send, `Conflict` if the request id stands for another request,
        `InvalidValue` for an argument that is none.
        """
    def authorize_request(
        self,
        secret: str | bytes | None,
        body: Body,
        *,
        floor: int | None = None,
        purpose: str | None = None,
        endpoint: str | None = None,
        ip: Ip | None = None,
        request_id: str | None = None,
        wait: Seconds | None = None,
    ) -> Permit:
        """Admit one call by the body that the client sent: its model is checked, and the most that it may use is
        set aside, at the prices that the gate was given.

        `endpoint`, if stated, says which API the body is for. `floor`: when the whole does not fit, admit the
        call with fewer output tokens, at least so many. What to dispatch is then `permit.model` and
        `permit.max_tokens`, see `dispatch_body`.

        Raises as `authorize` does, besides `Denied` with `model_not_priced` when the key has a limit and the
        price book cannot say what the call may use, and `InvalidValue` for a body that is none.
        """
    def check(
        self,
        secret: str | bytes | None,
        *,
        model: str | None = None,
        cost: Amount | None = None,
        tokens: int | None = None,
        purpose: str | None = None,
        endpoint: str | None = None,
        ip: Ip | None = None,
    ) -> Decision:
        """Tell what `authorize` would answer now, with every rule on the way. Consumes nothing, counts nothing and
        never raises `Denied`. It does not look at the request id, and answers `ledger_unavailable` even where the
        gate would admit.
        """
    def verify(self, secret: str | bytes | None) -> Key:
        """Tell whose secret it is: its shape, its digest and the state of its key are checked, its policy and
        budget are not.

        Raises `Denied`.
        """
    def allowed_models(self, secret: str | bytes | None, models: Iterable[str]) -> list[str]:
        """Tell which of `models` the key may use, in their order.

        Raises `Denied` if the key is not in force.
        """
    def settle(
        self,
        permit_id: str,
        usage: Usage | None = None,
        /,
        *,
        cost: Amount | None = None,
        tokens: int | None = None,
    ) -> Settlement:
        """Settle a permit by its id: from another worker, a callback, or after it was detached or dropped.

        Raises `NotFound` if it is unknown or was resolved too long ago to be remembered, else as
        `Permit.settle`.
        """
    def release(self, permit_id: str, /) -> None:
        """Release a permit by its id, as `Permit.release` does."""
    def record(
        self,
        key_id: str,
        usage: Usage | None = None,
        /,
        *,
        cost: Amount | None = None,
        tokens: int | None = None,
        request_id: str | None = None,
    ) -> Settlement:
        """Charge usage that was made elsewhere and never reserved, in the current windows. With a `request_id` the
        same usage is not charged twice for as long as the ledger remembers it: in memory, until seven later calls of the
        key have ended.

        Raises `NotFound` without such a key, `Conflict` if the request id was used before, `LedgerError`.
        """
    def usage(self, key_id: str, /) -> Balances:
        """Tell where the budgets of a key stand now.

        Raises `NotFound` without such a key, `LedgerError`.
        """
    def history(self, key_id: str, /, days: int) -> list[Tally]:
        """Tell what a key used on each of the last `days` days on which it used anything, by model, the last day
        first: as far as the ledger keeps a history, which `sqlite:` does and `memory:` does not.

        Raises `NotFound` without such a key, `LedgerError`.
        """
    def leases(self, key_id: str, /) -> list[Lease]:
        """Tell the leases that are open on the budgets of a key, of whichever process (`Gate.open(leased=True)`). One whose
        process is dead stays held until `settle` is called with its `permit_id` and what that process used and had
        not reported. A process that is alive notices that its lease was settled, takes another, and charges
        what it used itself.

        Raises `LedgerError`.
        """
    def on_alert(self, callback: _Callback, /) -> _Callback:
        """Call `callback` with every alert from now on, on a thread of the library's own: it may be slow, and what
        it raises is told by `sys.unraisablehook`. A second callback replaces the first. Answers the callback,
        so that this is a decorator as well.

        Where the ledger outlives the process (`sqlite:` does), so does an alert until it was told: one whose callback
        raises, or is cut off with its process, is told again after a while, under the same `id`, by this gate or
        another one on that ledger that has a callback or takes alerts. A callback that takes longer than 15 seconds may
        find that its alert was told elsewhere as well. In `memory:` an alert that failed is lost.
        """
    def take_alerts(self, most: int | None = None) -> list[Alert]:
        """Take at most `most` alerts that nobody took yet, oldest first; the last 1024 are kept. Taken is told: a ledger
        that keeps alerts forgets them.
        """
    def take_events(self, most: int | None = None) -> list[Event]:
        """Take at most `most` events that nobody took yet, oldest first: what happened to keys, the store and the ledger. The
        last 1024 are kept.
        """
    def stats(self) -> Stats:
        """Tell what this gate counted since it was opened."""
    def set_prices(self, prices: PriceBook | dict[str, Any], /) -> None:
        """Price calls by `prices` from now on."""
    def refresh(self) -> None:
        """Ask the store for news now, instead of within the refresh interval.

        Raises `LedgerError` or `InvalidRecord`; the records in force stay in force.
        """
    def flush(self) -> None:
        """Wait until everything is where it is kept and every alert was told to the callback, if there is one. From the
        callback it does not wait for alerts.
        """
    def create_key(self, name: str, /, **fields: Unpack[KeyFields]) -> NewKey:
        """Make a key. The fields are those of `KeyFields`; what is not named is the default: no limit, no
        restriction.

        Raises `InvalidRecord` with every fault at once, `Conflict` if its own id is taken.
        """
    def create_key_json(self, body: bytes | str, /) -> NewKey:
        """Make a key of a JSON object with the same fields and its `name`, as text or bytes. Its numbers are read
        as the decimal text they are.
        """
    def import_key(self, name: str, /, **fields: Unpack[KeyFields]) -> Key:
        """Take in a key that exists already, by the text (`secret`) or the hash (`key_hash`) of its secret.

        Raises as `create_key`, and `Conflict` if another key has the secret.
        """
    def import_key_json(self, body: bytes | str, /) -> Key:
        """Take in a key of a JSON object with the same fields and its `name`."""
    def keys(self, after: str | None = None, limit: int | None = None) -> list[Key]:
        """Tell the keys after the id `after`, at most `limit`, in the order of their ids: generated ids first, by their
        making, then ids of your own, by their text. They are as old as `key` says.
        """
    def key(self, key_id: str, /) -> Key:
        """Tell the key of this id, no older than for a call: a store that others write to is asked for news once in every
        refresh interval. While it does not answer, what is known is told. Raises `NotFound`.
        """
    def update_key(
        self,
        key_id: str,
        /,
        *,
        widen: bool | None = None,
        revision: int | None = None,
        **changes: Unpack[KeyChanges],
    ) -> Key:
        """Edit a key: what the changes name is replaced, `None` goes back to the default, and the rest stays.

        Raises `InvalidRecord` with every fault, `Conflict` if the edit would let a request through that was
        refused before and does not say `widen`, or if the record is not at `revision`, where one is named.
        """
    def update_key_json(
        self, key_id: str, body: bytes | str, /, *, widen: bool | None = None, revision: int | None = None
    ) -> Key:
        """Edit a key by a JSON object of the same changes, `null` for the default."""
    def rotate_key(self, key_id: str, /, overlap: Seconds | None = None) -> NewKey:
        """Add a secret to a key. The present one ends after `overlap` seconds, at once by default; both spend one
        budget.

        Raises `Conflict` if the key is revoked, disabled or expired, or has five secrets in force, `InvalidValue` for
        an overlap of more than 90 days.
        """
    def disable_key(self, key_id: str, /) -> Key:
        """Stop a key until it is enabled again. The next call is denied; calls in flight settle."""
    def enable_key(self, key_id: str, /) -> Key:
        """Start a key that was disabled. Raises `Conflict` if it is revoked."""
    def revoke_key(self, key_id: str, /) -> Key:
        """End a key for good. The next call is denied; calls in flight settle. Revoking it again changes nothing."""
    def delete_key(self, key_id: str, /) -> None:
        """Remove a key and its record. Its secret is unknown from now on; calls in flight settle.

        Raises `LedgerError` if the store cannot be written (nothing was done), or if the ledger cannot forget the
        budgets: the key is gone all the same, and what it used stays, to count for a new key of the same id.
        """
    async def authorize_async(
        self,
        secret: str | bytes | None,
        *,
        model: str | None = None,
        cost: Amount | None = None,
        tokens: int | None = None,
        purpose: str | None = None,
        endpoint: str | None = None,
        ip: Ip | None = None,
        request_id: str | None = None,
        wait: Seconds | None = None,
    ) -> Permit:
        """`authorize` for an event loop. A `wait` is sat out without a thread."""
    async def authorize_request_async(
        self,
        secret: str | bytes | None,
        body: Body,
        *,
        floor: int | None = None,
        purpose: str | None = None,
        endpoint: str | None = None,
        ip: Ip | None = None,
        request_id: str | None = None,
        wait: Seconds | None = None,
    ) -> Permit:
        """`authorize_request` for an event loop. A `wait` is sat out without a thread."""
    async def check_async(
        self,
        secret: str | bytes | None,
        *,
        model: str | None = None,
        cost: Amount | None = None,
        tokens: int | None = None,
        purpose: str | None = None,
        endpoint: str | None = None,
        ip: Ip | None = None,
    ) -> Decision:
        """`check` for an event loop."""
    async def verify_async(self, secret: str | bytes | None) -> Key:
        """`verify` for an event loop."""
    async def allowed_models_async(self, secret: str | bytes | None, models: Iterable[str]) -> list[str]:
        """`allowed_models` for an event loop."""
    async def settle_async(
        self,
        permit_id: str,
        usage: Usage | None = None,
        /,
        *,
        cost: Amount | None = None,
        tokens: int | None = None,
    ) -> Settlement:
        """`settle` for an event loop."""
    async def release_async(self, permit_id: str, /) -> None:
        """`release` for an event loop."""
    async def record_async(
        self,
        key_id: str,
        usage: Usage | None = None,
        /,
        *,
        cost: Amount | None = None,
        tokens: int | None = None,
        request_id: str | None = None,
    ) -> Settlement:
        """`record` for an event loop."""
    async def history_async(self, key_id: str, /, days: int) -> list[Tally]:
        """`history` for an event loop."""
    async def take_alerts_async(self, most: int | None = None) -> list[Alert]:
        """`take_alerts` for an event loop."""
    async def refresh_async(self) -> None:
        """`refresh` for an event loop."""
    async def flush_async(self) -> None:
        """`flush` for an event loop."""
    async def leases_async(self, key_id: str, /) -> list[Lease]:
        """`leases` for an event loop."""
    async def usage_async(self, key_id: str, /) -> Balances:
        """`usage` for an event loop."""
    async def create_key_async(self, name: str, /, **fields: Unpack[KeyFields]) -> NewKey:
        """`create_key` for an event loop."""
    async def create_key_json_async(self, body: bytes | str, /) -> NewKey:
        """`create_key_json` for an event loop."""
    async def import_key_async(self, name: str, /, **fields: Unpack[KeyFields]) -> Key:
        """`import_key` for an event loop."""
    async def import_key_json_async(self, body: bytes | str, /) -> Key:
        """`import_key_json` for an event loop."""
    async def keys_async(self, after: str | None = None, limit: int | None = None) -> list[Key]:
        """`keys` for an event loop."""
    async def key_async(self, key_id: str, /) -> Key:
        """`key` for an event loop."""
    async def update_key_async(
        self,
        key_id: str,
        /,
        *,
        widen: bool | None = None,
        revision: int | None = None,
        **changes: Unpack[KeyChanges],
    ) -> Key:
        """`update_key` for an event loop."""
    async def update_key_json_async(
        self, key_id: str, body: bytes | str, /, *, widen: bool | None = None, revision: int | None = None
    ) -> Key:
        """`update_key_json` for an event loop."""
    async def rotate_key_async(self, key_id: str, /, overlap: Seconds | None = None) -> NewKey:
        """`rotate_key` for an event loop."""
    async def disable_key_async(self, key_id: str, /) -> Key:
        """`disable_key` for an event loop."""
    async def enable_key_async(self, key_id: str, /) -> Key:
        """`enable_key` for an event loop."""
    async def revoke_key_async(self, key_id: str, /) -> Key:
        """`revoke_key` for an event loop."""
    async def delete_key_async(self, key_id: str, /) -> None:
        """`delete_key` for an event loop."""

@final
class Permit:
    """The right to make one call, with its estimate set aside."""
    @property
    def id(self) -> str:
        """Its name: any worker that shares the ledger can settle by it."""
    @property
    def key(self) -> Key:
        """The key that it was given to, as the record stood then."""
    @property
    def model(self) -> str | None:
        """The model to dispatch: the one that was checked. Dispatch this text, never one read again from the
        request.
        """
    @property
    def max_tokens(self) -> int | None:
        """The most output tokens that the call may be allowed, where the gate priced the request; dispatch it."""
    @property
    def is_reduced(self) -> bool:
        """Whether it was granted fewer output tokens than the request asks for, or than the model can write: only then
        does the body need another limit than it has.
        """
    @property
    def is_streamed(self) -> bool:
        """Whether the request asks for a streamed answer, where the gate read its body."""
    @property
    def estimate(self) -> Usage:
        """What is set aside."""
    @property
    def is_view(self) -> bool:
        """Whether the request id found a live hold of the same request: dropping this permit then does nothing."""
    @property
    def is_degraded(self) -> bool:
        """Whether the ledger could not answer and the gate was set to admit such calls: nothing is set aside."""
    def dispatched(self) -> None:
        """Say that the call is on its way to the model: from now on a drop charges."""
    def progress(
        self,
        usage: Usage | None = None,
        /,
        *,
        cost: Amount | None = None,
        tokens: int | None = None,
    ) -> None:
        """Say what is known of the usage so far, which is what a drop then charges."""
    def extend(self, *, cost: Amount | None = None, tokens: int | None = None) -> None:
        """Set more aside beyond the estimate, by the same atomic rule, and give the hold a new lifetime.

        Raises `Denied` if it does not fit: stop the call. `Conflict` if the permit was ended.
        """
    def settle(
        self,
        usage: Usage | None = None,
        /,
        *,
        cost: Amount | None = None,
        tokens: int | None = None,
    ) -> Settlement:
        """Charge what the call came to, as a `Usage` or as `cost` and `tokens`, and end the permit. Facts are
        never refused: more than the estimate, a limit passed, a key revoked meanwhile, or midnight gone by are
        all recorded.

        Raises `AlreadySettled` with the first settlement if it was ended before, `InvalidValue` or
        `LedgerError` with the hold still live: then this may be called again.
        """
    def settle_response(self, body: Body, /) -> Settlement:
        """Settle by what the model answered: the whole body of a response that was not streamed. One that tells no
        usage is charged the estimate; for a call that failed, `release` instead.

        Raises `InvalidValue` if the usage cannot be read: the hold stays, settle it otherwise. Else as
        `settle`.
        """
    def release(self) -> None:
        """Let the hold go without a charge and end the permit: the call was not made, or cost nothing."""
    def detach(self) -> str:
        """Give up the permit without ending its hold, and answer its id; some `gate.settle` will end it, or it
        lapses.
        """
    def stream(self) -> Stream:
        """Follow the answer as it streams, to settle by what it says of its usage. The permit is dispatched, and
        its stream's to settle from now on.
        """
    async def extend_async(self, *, cost: Amount | None = None, tokens: int | None = None) -> None:
        """`extend` for an event loop."""
    async def settle_async(
        self,
        usage: Usage | None = None,
        /,
        *,
        cost: Amount | None = None,
        tokens: int | None = None,
    ) -> Settlement:
        """`settle` for an event loop."""
    async def settle_response_async(self, body: Body, /) -> Settlement:
        """`settle_response` for an event loop."""
    async def release_async(self) -> None:
        """`release` for an event loop."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
        /,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Sqlite:
    """The SQLite file of keys and budgets at a URL, to look after: gates may use it meanwhile."""

    def __new__(cls, url: str, /) -> Self:
        """Open the file at `url`, as `Gate.open` reads it. It must be there: a gate makes one, this does not.

        Raises `InvalidValue` for another URL, `LedgerError` if the file is not there or cannot be used.
        """
    def doctor(self) -> Health:
        """Read the whole file, count everything again, and tell what does not fit. Calls go on meanwhile.

        Raises `LedgerError` if it cannot be read at all.
        """
    def backup(self, to: str | PathLike[str], /) -> None:
        """Copy the file, as it is at one moment, to the new file `to`, for its owner alone. Calls go on meanwhile. Put the
        copy in the place of a damaged file while no process uses that.

        Raises `LedgerError`, if `to` is there already among others.
        """

@final
class Stream:
    """Follows the answer as it streams, to settle by what it says of its usage."""
    @property
    def progress(self) -> Usage | None:
        """What the answer may have used so far; `None` once it is settled."""
    def feed(self, chunk: bytes | bytearray | memoryview | str, /) -> None:
        """Take in the next bytes of the answer, cut anywhere. Never fails for what they say."""
    def finish(self) -> Settlement:
        """Settle by the usage that the stream told; by what was seen of it if it told none. Where it told a
        usage that cannot be, it is charged no less than its estimate.

        Raises as `Permit.settle`; after `LedgerError` it may be called again.
        """
    async def finish_async(self) -> Settlement:
        """`finish` for an event loop."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
        /,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Usage:
    """The cost and the tokens of one call."""
    def __new__(cls, cost: Amount | None = None, tokens: int | None = None) -> Self: ...
    @property
    def cost(self) -> Decimal:
        """US dollars."""
    @property
    def tokens(self) -> int:
        """LLM tokens, input and output together."""
    def __getnewargs__(self) -> tuple[Decimal, int]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Settlement:
    """What a settled call came to."""
    @property
    def usage(self) -> Usage:
        """What was charged."""
    @property
    def overrun(self) -> Usage:
        """What was charged beyond the estimate: the part that may have passed a limit."""
    @property
    def late(self) -> bool:
        """Whether it replaced what a drop or a lapse had decided."""
    @property
    def alerts(self) -> list[Alert]:
        """The alerts that this charge set off."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Key:
    """A key as it stood when it was read: its name, what it may do, how much it may spend."""
    @property
    def id(self) -> str:
        """The id, which never changes."""
    @property
    def name(self) -> str:
        """What people call it. Two keys may have the same name."""
    @property
    def description(self) -> str:
        """What people say about it."""
    @property
    def prefix(self) -> str:
        """What its secrets start with."""
    @property
    def secret_format(self) -> Literal["hex", "base62", "checked", "checked_base62"]:
        """How its secrets are written: those that a rotation makes, too."""
    @property
    def hint_style(self) -> Literal["ends", "last4", "none"]:
        """How much of its secrets their hints show."""
    @property
    def hint(self) -> str | None:
        """What may be shown of its newest secret, if anything."""
    @property
    def state(self) -> Literal["active", "revoked", "disabled", "not_yet_valid", "expired"]:
        """Whether it works now, whatever the request."""
    @property
    def allowed_models(self) -> list[str]:
        """The models it may use, as exact names or with one trailing `*`; none listed is every model."""
    @property
    def denied_models(self) -> list[str]:
        """The models it may not use, whatever it is allowed."""
    @property
    def purpose(self) -> str | None:
        """The one purpose it serves."""
    @property
    def daily_spend_limit(self) -> Decimal | None:
        """The most it may spend in a day, in US dollars. `None` is no limit, 0 is nothing."""
    @property
    def monthly_spend_limit(self) -> Decimal | None:
        """The most it may spend in a calendar month, in US dollars."""
    @property
    def daily_token_limit(self) -> int | None:
        """The most tokens it may use in a day."""
    @property
    def alert_threshold(self) -> Decimal | None:
        """The share of each limit at which an alert is sent: `Decimal("0.8")` is 80 %."""
    @property
    def allowed_ips(self) -> list[str] | None:
        """The addresses and networks it may be used from; `None` is everywhere."""
    @property
    def allowed_endpoints(self) -> list[str] | None:
        """The endpoints it may call; `None` is every one."""
    @property
    def not_before(self) -> datetime | None:
        """The instant before which it is refused."""
    @property
    def expires_at(self) -> datetime | None:
        """The instant from which on it is refused."""
    @property
    def timezone(self) -> str:
        """The IANA time zone whose midnight ends its day."""
    @property
    def metadata(self) -> dict[str, Any]:
        """The caller's own data."""
    @property
    def tags(self) -> list[str]:
        """The caller's own labels."""
    @property
    def enabled(self) -> bool:
        """Whether it is switched on."""
    @property
    def revoked_at(self) -> datetime | None:
        """Since when it is revoked."""
    @property
    def created_at(self) -> datetime:
        """When it was made."""
    @property
    def updated_at(self) -> datetime:
        """When it was last changed."""
    @property
    def revision(self) -> int:
        """How often it was changed, from 1."""
    @property
    def live_secrets(self) -> int:
        """How many secrets work now."""
    def to_json(self) -> str:
        """Tell every field as JSON text, without secret or hash. Money is decimal text."""
    def to_dict(self) -> dict[str, Any]:
        """Tell every field as `json.loads` reads `to_json`."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Secret:
    """The text of a key. It prints as its hint."""
    def reveal(self) -> str:
        """Tell the secret itself, to whoever will use it. It is wiped from the library's memory with this object."""

@final
class NewKey:
    """A key that was just made or rotated, and its secret."""
    @property
    def key(self) -> Key:
        """The record."""
    @property
    def secret(self) -> Secret:
        """The secret, shown this once: `reveal()` it to whoever will use it."""

@final
class Decision:
    """What would be decided, and why."""
    @property
    def allowed(self) -> bool:
        """Whether the request would be admitted."""
    @property
    def reason(self) -> Reason | None:
        """Why not; `None` if it would be admitted."""
    @property
    def status(self) -> int | None:
        """The HTTP status of the denial."""
    @property
    def denial(self) -> Denial | None:
        """The denial that would be sent."""
    @property
    def checks(self) -> list[Check]:
        """Every rule that was tried, in order; the refusing ones did not pass."""
    def explain(self) -> str:
        """Tell every rule in a line of its own, for the operator."""
    def __bool__(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Denial:
    """Why a request was refused. `Denied` carries it."""
    @property
    def reason(self) -> Reason:
        """Why, in one word: `"model_not_allowed"`."""
    @property
    def status(self) -> int:
        """The HTTP status to answer with."""
    @property
    def message(self) -> str:
        """What happened and what to do about it, for the developer of the client."""
    @property
    def body(self) -> dict[str, Any]:
        """The JSON body to answer with, as OpenAI's clients expect it."""
    @property
    def anthropic_body(self) -> dict[str, Any]:
        """The JSON body to answer with, as Anthropic's clients expect it."""
    @property
    def headers(self) -> dict[str, str]:
        """The headers to answer with; their names are in lower case."""
    @property
    def retry_after(self) -> int | None:
        """Whole seconds to wait before the request is worth repeating; `None` where waiting does not help."""
    @property
    def resets_at(self) -> datetime | None:
        """When the budget that refused starts from zero; `None` unless a budget refused."""
    @property
    def transient(self) -> bool:
        """Whether the same request may be admitted in a moment, with nothing changed by anyone."""
    def sse_event(self, dialect: Literal["openai", "anthropic"] = "openai") -> str:
        """Tell the denial as a server-sent event, for a stream whose status has already gone out. End the stream
        after it.
        """
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class ManualClock:
    """A clock that moves only when it is told to."""
    def __new__(cls, now: Time) -> Self: ...
    @property
    def now(self) -> datetime:
        """What it says, in UTC."""
    def set(self, now: Time) -> None:
        """Put the clock to `now`, earlier or later."""
    def advance(self, seconds: Seconds) -> None:
        """Move the clock forward."""

@final
class PriceBook:
    """Prices of models, read once and handed to gates."""
    @staticmethod
    def from_toml(toml: str, /) -> PriceBook:
        """Read prices from TOML, as the README shows them. Raises `InvalidRecord` with every fault."""
    @staticmethod
    def from_json(json: str, /) -> PriceBook:
        """Read the same from JSON."""
    @staticmethod
    def from_litellm(json: str, /) -> PriceBook:
        """Read the text of LiteLLM's `model_prices_and_context_window.json` as it is. An entry that cannot be read
        is left out.
        """
    def models(self) -> list[str]:
        """Tell the names of the models that have a price."""
    def __or__(self, value: PriceBook, /) -> PriceBook:
        """Put two books together; where both have a price, that of the right one is in force."""
    def __ror__(self, value: PriceBook, /) -> PriceBook: ...
    def __len__(self) -> int: ...
    def __contains__(self, model: object, /) -> bool: ...

@final
class Step:
    """One hold's next state, and what it does to the meters."""
    @property
    def owner(self) -> str:
        """The owner that the hold lives with."""
    @property
    def owners(self) -> list[str]:
        """Every owner whose rows change, the first included."""
    @property
    def expected(self) -> int:
        """The revision that the hold must have for the step to be taken; 0: it must not exist."""
    @property
    def becomes(self) -> Hold:
        """The hold as it is to be kept."""
    @property
    def changes(self) -> list[Change]:
        """What changes, at most once for each row."""
    @property
    def most_live(self) -> int | None:
        """The most live holds that the owner may have with this one; `None` where the step makes no hold live."""
    @property
    def current(self) -> bool:
        """Whether the windows must be the current ones. A ledger with a clock of its own then answers
        `Outcome.elsewhen` when its clock is outside them.
        """

@final
class Change:
    """What a step does to one row."""
    @property
    def row(self) -> RowKey:
        """The row that changes: owner, meter, and when its window begins."""
    @property
    def window_end(self) -> datetime:
        """When the window of the row ends."""
    def is_admitted(self, row: Row, /) -> bool:
        """Whether its bound lets this change happen to `row`."""
    def carry_out(self, row: Row, /) -> Moved:
        """What `row` becomes by this change."""

@final
class Row:
    """One meter in one window: pico-dollars or tokens."""
    def __new__(cls, used: int = 0, held: int = 0, marks: int = 0) -> Self: ...
    @property
    def used(self) -> int:
        """Charged so far."""
    @property
    def held(self) -> int:
        """Set aside for calls in flight."""
    @property
    def marks(self) -> int:
        """The thresholds told so far, as one number below 2**56."""
    def __getnewargs__(self) -> tuple[int, int, int]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Moved:
    """A row as a step left it."""
    def __new__(cls, row: Row, told: bool | None = None) -> Self: ...
    @property
    def row(self) -> Row:
        """The row as it is now."""
    @property
    def told(self) -> bool:
        """Whether the step reached the alarm and marked it."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Hold:
    """What is set aside while a call is in flight, and what became of it."""
    @property
    def id(self) -> str:
        """Its name."""
    @property
    def revision(self) -> int:
        """Counts the steps it took, from 1."""
    @property
    def phase(self) -> Phase:
        """Where it is in its life."""
    @property
    def is_live(self) -> bool:
        """Whether its call is in flight."""
    @property
    def usage(self) -> Usage:
        """The estimate while it is live; what was charged after."""
    @property
    def expires_at(self) -> datetime:
        """When it lapses."""
    def to_dict(self) -> dict[str, Any]:
        """All of it, as what JSON can hold; `from_dict` reads it back."""
    @staticmethod
    def from_dict(kept: dict[str, Any], /) -> Hold:
        """Reads what `to_dict` wrote."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Outcome:
    """What came of a step."""
    @staticmethod
    def taken(rows: Iterable[Moved], /, next_lapse: Time | None = None) -> Outcome:
        """The step was taken: what each of its rows became, in order; and, where it is known, a time before which no live
        hold of the owner lapses.
        """
    @staticmethod
    def refused(rows: Iterable[Row], /) -> Outcome:
        """A row would have passed its bound: the rows as they stand, unchanged."""
    @staticmethod
    def crowded() -> Outcome:
        """The owner has as many live holds as it may."""
    @staticmethod
    def unexpected(hold: Hold | None, /) -> Outcome:
        """The hold is not at the revision expected: its present state, or `None` if it does not exist."""
    @staticmethod
    def elsewhen(now: Time, /) -> Outcome:
        """The ledger's own clock is outside the windows of the step."""

def after_fork_in_parent() -> None:
    """Go on after a fork, in the parent."""

def before_fork() -> None:
    """Make ready for a fork: what is being written is written. The package registers it with `os.register_at_fork`."""

def after_fork() -> None:
    """Begin anew after a fork, in the child."""

@final
class Door:
    """What a middleware asks of every request: read once, and told at once if it makes no sense."""
    def __new__(
        cls,
        gate: Gate,
        *,
        also: Collection[Literal["x-api-key", "api-key", "x-goog-api-key"]] | None = None,
        trusted_proxies: Collection[str] | None = None,
        max_body: int | None = None,
        floor: int | None = None,
        limit_name: str | None = None,
    ) -> Self: ...
    def secret(self, scope: _Scope, /) -> str:
        """The key that a request shows.

        Raises `Denied` if it shows none.
        """
    def client_ip(self, scope: _Scope, /) -> str | None:
        """The client's address; behind proxies that are trusted, the one that they name. `None` where it cannot be told:
        keys that are bound to addresses refuse such a request.
        """
    def call(self, scope: _Scope, purpose: str | None, /) -> Call:
        """Read who makes a call and where, before its body is read. `purpose` is what calls of its path are for.

        Raises `Denied` if it shows no key, and `TooLarge` if it says that its body is.
        """

@final
class Call:
    """A call of a model, from the door to its end. It ends once, whoever comes first: the last piece of its answer, or the
    end of its request.
    """
    @property
    def gate(self) -> Gate:
        """The gate that it is asked of."""
    @property
    def secret(self) -> str:
        """The key that it shows."""
    @property
    def permit(self) -> Permit:
        """Its permit, once it is admitted. A handler may settle it."""
    def admit(self, body: bytes, /) -> None:
        """Admit it by its body. The request is given no id: one of the client's could name another call.

        Raises as `Gate.authorize_request` does, and `TooLarge`.
        """
    async def admit_async(self, body: bytes, /, *, wait: Seconds | None = None) -> None:
        """`admit` for an event loop. A `wait` is sat out without a thread."""
    def onward(self, scope: _Scope, receive: _Receive, send: _Send, /) -> tuple[_Scope, Replay, Tap]:
        """Send it on its way, from now on to be charged: the scope, `receive` and `send` of what the application handles."""
    def end(self) -> asyncio.Task[None] | None:
        """End the hold, unless that was done: by what the answer told, else by what was seen of it. Where that may block,
        answers the task that does it.
        """
    def settle(self) -> bool:
        """Settle it by what was seen; false if the ledger did not answer."""

@final
class Replay:
    """The `receive` of an application: hands the body over as the whole request; after it, tells what the server tells."""
    def __call__(self) -> Awaitable[_Message]: ...

@final
class Tap:
    """The `send` of an application: passes an answer on, piece by piece and as it comes, and settles its call."""
    def __call__(self, message: _Message, /) -> Awaitable[None]: ...

def bearer(
    headers: Iterable[tuple[str | bytes, str | bytes]],
    /,
    *,
    also: Iterable[Literal["x-api-key", "api-key", "x-goog-api-key"]] | None = None,
) -> str:
    """The key among the headers of a request."""

def dispatch_body(
    body: Body,
    /,
    *,
    model: str | None = None,
    max_tokens: int | None = None,
    limit_name: str | None = None,
    include_usage: bool | None = None,
    endpoint: str | None = None,
) -> bytes:
    """The body to dispatch instead of the client's."""

def denial_told(parts: tuple[Any, ...], /) -> Denial:
    """A denial of another process, of what it told there: how one is unpickled."""

def settlement_told(usage: Usage, overrun: Usage, late: bool, alerts: Iterable[Alert], /) -> Settlement:
    """A settlement of another process, of what it told there: how one is unpickled."""

def resolve_client_ip(peer: str, forwarded: Iterable[str], trusted: Iterable[str]) -> str:
    """The client's address behind proxies."""

def wait_seconds(wait: Seconds, /) -> float:
    """Reads a `wait` as the plain calls do, for their `_async` twins."""
