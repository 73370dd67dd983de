import type { ProjectionStatus } from '@sandlot/projections';
import { viewOf } from './projection-view.js';

const running: ProjectionStatus = {
  service: 'audit',
  name: 'trail',
  state: 'running',
  active: true,
  live: 'blue',
  position: 7,
  logPosition: 9,
  lagEvents: 2,
  lagSeconds: 1,
  skipped: [],
};
const stopped = { code: 'POISON', reason: 'position 8: not an event.', remedy: 'Skip it.', at: 8 } as const;

describe('how operators see a projection', () => {
  it('says where it is and how far behind', () => {
    expect(viewOf(running)).toEqual({
      name: 'trail',
      service: 'audit',
      status: 'running',
      reason: null,
      message: null,
      position: 7,
      head: 9,
      lagEvents: 2,
      rebuild: null,
    });
  });

  it('is a standby where another process has the lock', () => {
    expect(viewOf({ ...running, active: false }).status).toBe('standby');
  });

  it('says in whole sentences why it has stopped and what to do', () => {
    expect(viewOf({ ...running, state: 'parked', stopped })).toMatchObject({
      status: 'parked',
      reason: 'POISON',
      message: 'position 8: not an event. Skip it.',
    });
    expect(viewOf({ ...running, state: 'parked', stopped: { ...stopped, reason: 'no' } }).message).toBe('no. Skip it.');
  });

  it('says so of a rebuild beside it, too', () => {
    const rebuild = { reason: 'a test', state: 'running', position: 3, target: 9, progress: 1 / 3 } as const;
    expect(viewOf({ ...running, rebuild }).rebuild).toEqual({
      position: 3,
      target: 9,
      ratio: 1 / 3,
      status: 'running',
      reason: null,
      message: null,
    });
    expect(viewOf({ ...running, rebuild: { ...rebuild, state: 'parked', stopped } }).rebuild).toMatchObject({
      status: 'parked',
      reason: 'POISON',
      message: 'position 8: not an event. Skip it.',
    });
  });
});
