import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { ACCESS_STREAM, ACCESS_SUBJECT, AccessRecord } from '@sandlot/contracts';
import { stableTcpProxy, startTestNats, waitFor, type StableTcpProxy } from '@sandlot/testing';
import { AccessRecorder } from './access-recorder.js';

const record = (index: number): AccessRecord => ({
  id: `evt_${index}`, at: '2026-01-01T00:00:00.000Z', kind: 'http', method: 'GET', path: '/proxy/s1/', status: 200, ip: '127.0.0.1', requestId: `req_${index}`,
  durationMs: 1.5, bytesIn: 0, bytesOut: 2,
}); // prettier-ignore

describe('the recorder', () => {
  let direct: NatsConnection;
  let connection: NatsConnection;
  let network: StableTcpProxy;
  let manager: JetStreamManager;

  beforeAll(async () => {
    const nats = await startTestNats();
    direct = await connect({ servers: nats.url });
    network = await stableTcpProxy(nats.port);
    manager = await jetstreamManager(direct);
  });

  beforeEach(async () => {
    await manager.streams.add({ name: ACCESS_STREAM, subjects: ['access.>'] });
    connection = await connect({ servers: `127.0.0.1:${network.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  });

  afterEach(async () => {
    network.restore();
    await connection.close();
    await manager.streams.delete(ACCESS_STREAM);
  });

  afterAll(async () => {
    await direct.close();
    await network.close();
  });

  const stored = async () => {
    const { messages } = (await manager.streams.info(ACCESS_STREAM)).state;
    const batches: AccessRecord[][] = [];
    for (let seq = 1; seq <= messages; seq++) {
      const message = await manager.streams.getMessage(ACCESS_STREAM, { seq });
      expect(message!.subject).toBe(ACCESS_SUBJECT);
      batches.push(AccessRecord.array().parse(message!.json()));
    }
    return batches;
  };

  it('S1-28 stores every record once, in its order, in batches', async () => {
    const recorder = new AccessRecorder(connection, { batchSize: 100, intervalMs: 20 });
    for (let i = 0; i < 1050; i++) recorder.record(record(i));
    await recorder.close({ graceMs: 5000 });
    const batches = await stored();
    expect(batches.flat().map(({ id }) => id)).toEqual(Array.from({ length: 1050 }, (_, i) => `evt_${i}`));
    expect(batches).toHaveLength(11);
  });

  it('makes no message that is larger than NATS takes, of whatever length the paths are', async () => {
    const recorder = new AccessRecorder(connection, { batchSize: 100, intervalMs: 20, maxBytes: 1000 });
    for (let i = 0; i < 20; i++) recorder.record({ ...record(i), path: '/proxy/s1/'.padEnd(i % 7 === 0 ? 1500 : 20, 'x') });
    await recorder.close({ graceMs: 5000 });
    const batches = await stored();
    expect(batches.flat().map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, i) => `evt_${i}`));
    for (const batch of batches) expect(batch.length === 1 || JSON.stringify(batch).length <= 1000).toBe(true);
  });

  it('sends a small batch after the interval', async () => {
    const recorder = new AccessRecorder(connection, { intervalMs: 20 });
    recorder.record(record(0));
    await waitFor(async () => (await stored()).length === 1, { describe: 'the batch' });
    await recorder.close({ graceMs: 0 });
  });

  it('keeps records while NATS is away, up to a bound, counts the rest, and sends what it kept', async () => {
    const alarms: number[] = [];
    const recorder = new AccessRecorder(connection, {
      batchSize: 10,
      intervalMs: 20,
      maxBuffered: 25,
      onDropped: (dropped) => alarms.push(dropped),
    });
    network.cut();
    for (let i = 0; i < 40; i++) recorder.record(record(i));
    expect([recorder.buffered, recorder.dropped, recorder.refusing, alarms]).toEqual([25, 15, false, [1]]);
    expect(recorder.droppedAt).toBeGreaterThan(0);
    network.restore();
    await waitFor(async () => (await stored()).flat().length === 25, { within: 15_000, describe: 'the records' });
    expect((await stored()).flat().map(({ id }) => id)).toEqual(Array.from({ length: 25 }, (_, i) => `evt_${i}`));
    await recorder.close({ graceMs: 0 });
  });

  it('lets nothing pass while there is no place for its record, where that is asked for', async () => {
    const recorder = new AccessRecorder(connection, { intervalMs: 20, maxBuffered: 5, overflow: 'refuse' });
    network.cut();
    for (let i = 0; i < 5; i++) {
      expect(recorder.refusing).toBe(false);
      recorder.record(record(i));
    }
    expect(recorder.refusing).toBe(true);
    network.restore();
    await waitFor(() => !recorder.refusing, { within: 15_000, describe: 'a place' });
    await recorder.close({ graceMs: 5000 });
    expect((await stored()).flat()).toHaveLength(5);
  });
});
