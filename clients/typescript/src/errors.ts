import type { Problem } from "./types.js";

/** An error that the server reports (RFC 9457). `code` is stable: docs/api.md lists them. */
export class KineposeError extends Error {
  override readonly name = "KineposeError";

  constructor(
    readonly code: string,
    message: string,
    /** HTTP status; 0 where there was no HTTP answer. */
    readonly status: number,
    readonly problem?: Problem,
  ) {
    super(message);
  }

  static of(problem: Problem): KineposeError {
    return new KineposeError(problem.code, problem.detail, problem.status, problem);
  }
}

/** The connection could not be made, or broke. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** The answer, if it is a good one; else what it reports is thrown. */
export async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const problem = await response.json().catch(() => null);
  if (problem?.code) throw KineposeError.of(problem as Problem);
  throw new KineposeError("internal", `the server answered ${response.status} ${response.statusText}`, response.status);
}

/** fetch, whose own failures become Unreachable; an abort stays what it is. */
export async function reached(work: Promise<Response>): Promise<Response> {
  return work.catch((error: unknown) => {
    if (error instanceof Error && error.name === "AbortError") throw error;
    throw new Unreachable("the server cannot be reached", { cause: error });
  });
}
