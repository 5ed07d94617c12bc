"""What every gRPC call goes through, whatever its service and method: id, key, messages parsed, errors answered.

It is an interceptor, so that no method can be forgotten. Health is open; all else wants a key where keys are
configured. grpcio's own answer to bytes that are no message is UNKNOWN, with a traceback in the log; here it is
INVALID_ARGUMENT.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, TypeAlias

import grpc
from grpc_health.v1 import health  # type: ignore[import-untyped]
from grpc_status import rpc_status  # type: ignore[import-untyped]

from service.auth.access import Quota
from service.auth.api_keys import Caller, KeyRing
from service.contract import problem, wire
from service.errors import KineposeError
from service.transports import request_ids

OPEN_SERVICE: Final = f"/{health.SERVICE_NAME}/"
# How long a client without a key may go on sending what nobody wants.
STRANGER_S: Final = 1.0
# Of so many at once: each of them may have a message in memory.
MAX_STRANGERS: Final = 4

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
MaybeHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[MaybeHandler]]

# grpcio runs interceptors and method of a call in one task.
_caller: ContextVar[Caller] = ContextVar("caller")

log = logging.getLogger(__name__)


class CallInterceptor(grpc.aio.ServerInterceptor):
    """The interceptor of a server.

    Args:
        keys: who may call.
        calls: under way, of all transports.
    """

    def __init__(self, keys: KeyRing, calls: Quota) -> None:
        self._keys = keys
        self._calls = calls
        self._strangers = asyncio.Semaphore(MAX_STRANGERS)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> MaybeHandler:
        """Let in, or answer UNAUTHENTICATED; a caller with too many calls, RESOURCE_EXHAUSTED or UNAVAILABLE."""
        if handler_call_details.method.startswith(OPEN_SERVICE):
            handler = await continuation(handler_call_details)
            return handler and _guarded(handler, nullcontext)
        try:
            caller = self._keys.caller(_authorization(handler_call_details.invocation_metadata))
            self._calls.check(caller)
        except KineposeError as error:
            return self._refusal(error)
        _caller.set(caller)
        handler = await continuation(handler_call_details)
        return handler and _guarded(handler, partial(self._counted, caller))

    @contextmanager
    def _counted(self, caller: Caller) -> Iterator[None]:
        self._calls.take(caller)
        try:
            yield
        finally:
            self._calls.release(caller)

    def _refusal(self, error: KineposeError) -> Handler:
        async def refuse(messages: AsyncIterator[bytes], context: Context) -> None:
            async with _answer_errors(context):
                if self._strangers.locked():
                    raise error
                async with self._strangers, drain_requests(messages, STRANGER_S):
                    raise error

        # Unary calls look the same on the wire.
        return grpc.stream_stream_rpc_method_handler(refuse)


def current_caller() -> Caller:
    """Whom the interceptor let in: the one of the call around."""
    return _caller.get()


def _authorization(metadata: Iterable[tuple[str, str | bytes]] | None) -> str | None:
    """The `authorization` of a call's metadata, if it has one."""
    return next((str(value) for name, value in metadata or () if name == "authorization"), None)


@asynccontextmanager
async def drain_requests(messages: AsyncIterator[Any], seconds: float) -> AsyncIterator[None]:
    """Keeps an error of the block back until the client has sent all, or that time is over.

    grpcio's asyncio client takes a call that ends while it sends for an INTERNAL error, and loses our status.
    """
    try:
        yield
    except KineposeError:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for _ in messages:
                    pass
        raise


@asynccontextmanager
async def _answer_errors(context: Context) -> AsyncIterator[None]:
    """Gives the call its id, and ends it with a google.rpc.Status for any error of the block."""
    with request_ids.call(context):
        try:
            yield
        except KineposeError as error:
            await _abort(context, error)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            if context.done():  # The client went while it was written to; nobody is there to answer.
                raise asyncio.CancelledError from error
            log.exception("a gRPC call failed")
            await _abort(context, KineposeError())


async def _abort(context: Context, error: KineposeError) -> None:
    await context.abort_with_status(request_ids.answered(rpc_status.to_status(problem.to_status(error))))


# -- messages ---------------------------------------------------------------------------------------------


def _guarded(handler: Handler, counted: Callable[[], AbstractContextManager[None]]) -> Handler:
    """The same method, with its calls counted, its messages parsed and its errors answered here."""
    parse = handler.request_deserializer or bytes
    read: Any = wire.Messages if handler.request_streaming else wire.parsed
    make, method = _KINDS[handler.request_streaming, handler.response_streaming]
    behaviour = getattr(handler, method)

    async def called(request: Any, context: Context) -> Any:
        async with _answer_errors(context):
            with counted():
                return await behaviour(read(request, parse), context)

    async def generated(request: Any, context: Context) -> AsyncGenerator[Any, None]:
        async with _answer_errors(context):
            with counted():
                async with aclosing(behaviour(read(request, parse), context)) as answers:
                    async for answer in answers:
                        yield answer

    # grpcio tells the two by their kind of function.
    guarded = generated if inspect.isasyncgenfunction(behaviour) else called
    made: Handler = make(guarded, None, handler.response_serializer)
    return made


_KINDS: Final[dict[tuple[bool, bool], tuple[Any, str]]] = {
    (False, False): (grpc.unary_unary_rpc_method_handler, "unary_unary"),
    (False, True): (grpc.unary_stream_rpc_method_handler, "unary_stream"),
    (True, False): (grpc.stream_unary_rpc_method_handler, "stream_unary"),
    (True, True): (grpc.stream_stream_rpc_method_handler, "stream_stream"),
}
