import { operationsOf, type ConsumerView, type ProjectionView } from '@sandlot/contracts';
import type { RpcClient } from '@sandlot/service-kit';
import { OperatedServices } from '../api/operated-services.js';
import { PlatformHealth } from './platform-health.js';
import type { Surroundings } from './surroundings.js';

const at = (seconds: number): Date => new Date(Date.UTC(2026, 0, 31, 12, 0, seconds));
const consumer = (change: Partial<ConsumerView>): ConsumerView => ({
  name: 'auth-forget',
  service: 'auth',
  position: 9,
  pending: 0,
  unacknowledged: 0,
  redelivered: 0,
  pausedUntil: null,
  deadLetters: 0,
  ...change,
});

describe('the health of the platform', () => {
  let consumers: ConsumerView[];
  let projections: ProjectionView[];
  let health: PlatformHealth;

  beforeEach(() => {
    [consumers, projections] = [[], []];
    const { listConsumers, listProjections } = operationsOf('auth');
    const answers: Record<string, () => unknown> = {
      [listConsumers.subject]: () => consumers,
      [listProjections.subject]: () => projections,
    };
    const rpc = { call: async ({ subject }: { subject: string }) => answers[subject]?.() ?? [] };
    const surroundings = { look: async () => ({ reported: [], natsServers: [], operations: undefined, backupMaxAgeMs: 0 }) };
    health = new PlatformHealth(new OperatedServices(rpc as unknown as RpcClient), surroundings as unknown as Surroundings);
  });

  it('is ok where nothing is wrong', async () => {
    expect(await health.look(at(0))).toEqual({ status: 'ok', items: [], checkedAt: at(0).toISOString() });
  });

  it('says since when something is wrong, and begins anew when it comes again', async () => {
    const since = async (seconds: number) => (await health.look(at(seconds))).items[0]?.since;
    consumers = [consumer({ deadLetters: 1 })];
    expect([await since(0), await since(30)]).toEqual([at(0).toISOString(), at(0).toISOString()]);
    consumers = [consumer({})];
    expect(await since(60)).toBeUndefined();
    consumers = [consumer({ deadLetters: 2 })];
    expect(await since(90)).toBe(at(90).toISOString());
  });

  it('finds a consumer stuck that has not moved for two minutes though events wait, and not before', async () => {
    const codes = async (seconds: number) => (await health.look(at(seconds))).items.map(({ code }) => code);
    consumers = [consumer({ pending: 3 })];
    expect([await codes(0), await codes(119), await codes(120)]).toEqual([[], [], ['SL-CONS-03']]);
    consumers = [consumer({ pending: 2, position: 10 })];
    expect(await codes(121)).toEqual([]);
  });

  it('lists errors first, each with what to do and a page', async () => {
    consumers = [consumer({ deadLetters: 1 })];
    projections = [
      { name: 'users', service: 'auth', status: 'halted', reason: 'GAP', message: 'no', position: 1, head: 9, lagEvents: 8, rebuild: null },
    ];
    const { status, items } = await health.look(at(0));
    expect([status, items.map(({ code }) => code)]).toEqual(['error', ['SL-PROJ-02', 'SL-CONS-01']]);
    expect(items[0]).toMatchObject({ subject: 'auth/users', hint: expect.any(String), docsUrl: '/docs/health/SL-PROJ-02' });
  });
});
