import { AccessRecord } from '@sandlot/contracts';
import { z } from 'zod';

const Batch = z.array(AccessRecord);

/** The records in a message of the stream ACCESS. */
export function accessBatch(data: Uint8Array): AccessRecord[] {
  const batch = Batch.safeParse(JSON.parse(Buffer.from(data).toString('utf8')));
  return batch.success ? batch.data : []; // not one of ours: this stream is no ledger
}
