/** How sandlot-admin ends. Scripts depend on these. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unauthorized: 3,
  notFound: 4,
  conflict: 5,
  limited: 6,
  timeout: 7,
  unreachable: 8,
  interrupted: 130,
} as const;
export type Outcome = keyof typeof exitCodes;

/** What went wrong, for a person; printed without a stack. */
export class Failure extends Error {
  override readonly name = 'Failure';

  constructor(
    readonly outcome: Outcome,
    message: string,
    readonly more: { readonly code?: string; readonly hint?: string; readonly requestId?: string } = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** By the status of a refusal of the API. */
export function outcomeOf(status: number): Outcome {
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 404) return 'notFound';
  if (status === 400 || status === 422) return 'usage';
  if (status === 409 || status === 410 || status === 412) return 'conflict';
  if (status === 429) return 'limited';
  if (status === 504) return 'timeout';
  if (status === 502 || status === 503) return 'unreachable';
  return 'failed';
}
