import type { AccessRecord } from '@sandlot/contracts';
import { RecordBatches, type RecordBatch } from './record-batches.js';

const record = (index: number, path = '/proxy/s1/'): AccessRecord => ({
  id: `evt_${index}`, at: '2026-01-01T00:00:00.000Z', kind: 'http', method: 'GET', path, status: 200, ip: '127.0.0.1', requestId: `req_${index}`,
  durationMs: 1.5, bytesIn: 0, bytesOut: 2,
}); // prettier-ignore

function taken(batches: RecordBatches): RecordBatch[] {
  const all: RecordBatch[] = [];
  for (let batch = batches.take(); batch; batch = batches.take()) all.push(batch);
  return all;
}

const recordsIn = ({ payload }: RecordBatch) => JSON.parse(Buffer.from(payload).toString()) as AccessRecord[];

describe('batches of records', () => {
  it('hold so many records each, in their order, and the last what is left', () => {
    const batches = new RecordBatches({ batchSize: 3 });
    const records = Array.from({ length: 7 }, (_, i) => record(i));
    for (const one of records) batches.add(one);
    const all = taken(batches);
    expect(all.map(({ id, count }) => [id, count])).toEqual([['evt_0', 3], ['evt_3', 3], ['evt_6', 1]]); // prettier-ignore
    expect(all.flatMap(recordsIn)).toEqual(records);
  });

  it('stay within their bytes, whatever a character takes, but for a record that is longer by itself', () => {
    const maxBytes = 1000;
    const batches = new RecordBatches({ maxBytes });
    const records = Array.from({ length: 30 }, (_, i) => record(i, i % 7 === 3 ? 'x'.repeat(maxBytes) : 'é'.repeat(i * 10)));
    for (const one of records) batches.add(one);
    const all = taken(batches);
    expect(all.flatMap(recordsIn)).toEqual(records);
    for (const { payload, count } of all) expect(count === 1 || payload.length <= maxBytes).toBe(true);
    expect(all.some(({ count }) => count > 1)).toBe(true);
  });

  it('are none when nothing came', () => {
    expect(new RecordBatches().take()).toBeUndefined();
  });

  it('keep their bytes while later records come', () => {
    const batches = new RecordBatches();
    batches.add(record(1));
    const first = batches.take()!;
    batches.add(record(2));
    expect([recordsIn(first), batches.take()!.id]).toEqual([[record(1)], 'evt_2']);
  });
});
