import { setTimeout as pause } from 'node:timers/promises';
import { auditMessages as audit, type AuditEntry, type AuditFilters, type ReplyOf } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { logger, type RpcClient } from '@sandlot/service-kit';

export interface AuditStreamRequest {
  readonly filters: AuditFilters;
  /** Where to go on behind; from now on without it. */
  readonly cursor: string | undefined;
  /** Ends the stream, as an end and not as a failure. */
  readonly signal: AbortSignal;
  /** How often something is said when there is nothing to tell, in ms. At most 20,000. Default 15,000. */
  readonly heartbeatMs?: number;
}

type Page = ReplyOf<typeof audit.TailAuditEntries>;

const pageSize = 200;
const retryMs = 1_000;

/**
 * The trail as Server-Sent Events: each entry with the cursor behind it as its id, `caught-up` once when everything that was there has
 * been sent, a comment as a heartbeat. Entries come once and in order; after a break the client goes on with `Last-Event-ID`. When the
 * audit service is away the stream stays open and goes on when it is back. Throws before the first event when it cannot begin.
 */
export async function followTrail(rpc: RpcClient, request: AuditStreamRequest): Promise<AsyncGenerator<string>> {
  const { filters, signal, heartbeatMs = 15_000 } = request;
  const ask = (cursor: string | undefined, waitMs: number): Promise<Page> =>
    rpc.call(audit.TailAuditEntries, { cursor, filters, waitMs, limit: pageSize }, { withinMs: waitMs + 5_000, signal });
  const first = await ask(request.cursor, 0);
  return (async function* () {
    yield 'retry: 3000\n\n';
    let live = false;
    for (let page: Page | undefined = first, cursor = first.cursor; !signal.aborted;) {
      for (const { cursor: id, entry } of page?.items ?? []) yield entryEvent(id, entry);
      if (page && !live && page.items.length < pageSize) {
        live = true;
        yield `id: ${cursor}\nevent: caught-up\ndata: {}\n\n`;
      } else if (!page || page.items.length === 0) {
        yield ': heartbeat\n\n';
      }
      page = await ask(cursor, live ? heartbeatMs : 0).catch((error: unknown) => later(error, signal));
      cursor = page?.cursor ?? cursor;
    }
  })();
}

/** Nothing for now, when it may be another time; throws what is no such failure. */
async function later(error: unknown, signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return undefined;
  if (!(error instanceof DomainError) || error.code !== 'UNAVAILABLE') throw error;
  logger.debug({ reason: error.message }, 'the audit trail is away; the stream waits');
  await pause(retryMs, undefined, { signal }).catch(() => undefined);
  return undefined;
}

const entryEvent = (id: string, entry: AuditEntry): string => `id: ${id}\nevent: ${entry.action}\ndata: ${JSON.stringify(entry)}\n\n`;
