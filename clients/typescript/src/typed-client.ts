import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { CallOptions, Client } from "@connectrpc/connect";
import { jitter, sleep } from "./backoff.js";
import { toStrawError } from "./error.js";

// Calls that only read are repeated when the gateway can't be reached for a moment.
const reads: ReadonlySet<string> = new Set([
  "GetEvent",
  "ListEvents",
  "GetSubscription",
  "ListSubscriptions",
  "ListDeadLetters",
  "GetExport",
  "ListExports",
  "GetStatus",
]);
const readAttempts = 4;
const neverAborted = new AbortController().signal;

type Unary = (request: unknown, options?: CallOptions) => Promise<unknown>;
type ServerStreaming = (request: unknown, options?: CallOptions) => AsyncIterable<unknown>;

/**
 * Wraps a service's client so that whatever its calls throw is a StrawError, and what only reads is tried again.
 *
 * @internal
 */
export function typed<S extends DescService>(client: Client<S>, service: S): Client<S> {
  const inner = client as Record<string, unknown>;
  const wrapped: Record<string, unknown> = {};
  for (const method of service.methods) {
    wrapped[method.localName] = wrap(inner[method.localName], method);
  }
  return wrapped as Client<S>;
}

function wrap(call: unknown, method: DescMethod): Unary | ServerStreaming {
  if (method.methodKind === "server_streaming") {
    return typedStream(call as ServerStreaming);
  }
  return typedUnary(call as Unary, reads.has(method.name) ? readAttempts : 1);
}

function typedUnary(call: Unary, attempts: number): Unary {
  return async (request, options) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call(request, options);
      } catch (thrown) {
        const error = toStrawError(thrown);
        if (attempt >= attempts || error.code !== "UNAVAILABLE" || options?.signal?.aborted) {
          throw error;
        }
        await sleep(jitter(attempt), options?.signal ?? neverAborted);
      }
    }
  };
}

function typedStream(call: ServerStreaming): ServerStreaming {
  return (request, options) => ({
    [Symbol.asyncIterator]() {
      const inner = call(request, options)[Symbol.asyncIterator]();
      return {
        next: () => inner.next().catch(rethrow),
        return: () => inner.return?.() ?? Promise.resolve({ done: true, value: undefined }),
      };
    },
  });
}

function rethrow(thrown: unknown): never {
  throw toStrawError(thrown);
}
