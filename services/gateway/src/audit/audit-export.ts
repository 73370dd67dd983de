import { auditMessages as audit, type AuditEntry } from '@sandlot/contracts';
import type { CallOptions, RpcClient } from '@sandlot/service-kit';
import type { RequestOf } from '@sandlot/contracts';

type Query = Omit<RequestOf<typeof audit.ListAuditEntries>, 'limit'>;

const pageSize = 200;

/**
 * The trail as JSON Lines, a page at a time: the next is asked for when the one before has been taken. The first is there before this
 * returns, so what cannot be exported at all is refused and not cut off.
 */
export async function exportTrail(rpc: RpcClient, query: Query, options: CallOptions): Promise<AsyncGenerator<string>> {
  const first = await rpc.call(audit.ListAuditEntries, { ...query, limit: pageSize }, options);
  return (async function* () {
    for (let page = first; ;) {
      if (page.items.length > 0) yield page.items.map(line).join('');
      if (page.nextCursor === null) return;
      page = await rpc.call(audit.ListAuditEntries, { ...query, cursor: page.nextCursor, limit: pageSize }, options);
    }
  })();
}

const line = (entry: AuditEntry): string => `${JSON.stringify(entry)}\n`;
