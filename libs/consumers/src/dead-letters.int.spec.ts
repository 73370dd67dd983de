import { DEAD_STREAM } from '@sandlot/contracts';
import { DeadLetters } from './dead-letters.js';
import { startTestLog } from './test-service.js';

describe('a dead letter', () => {
  it('is written once, also when a crash comes before its event is settled, and again when the event was delivered anew', async () => {
    const { manager } = await startTestLog();
    const letters = new DeadLetters(manager.jetstream(), manager);
    const giveUp = (attempts: number) => {
      const about = { durable: 'auth-x', subject: 'sandlot.auth.user.u1', position: 1, headers: undefined, body: Buffer.from('{}') };
      return letters.put({ ...about, attempts }, 'no');
    };
    const stored = async () => (await manager.streams.info(DEAD_STREAM)).state.messages;
    await giveUp(3);
    await giveUp(4);
    expect(await stored()).toBe(1);
    await giveUp(1);
    await giveUp(2);
    expect(await stored()).toBe(2);
    await giveUp(1);
    expect(await stored()).toBe(3);
  });

  it('has a reason that fits into a header', async () => {
    const { manager } = await startTestLog();
    const letters = new DeadLetters(manager.jetstream(), manager);
    const about = {
      durable: 'auth-x',
      subject: 'sandlot.auth.user.u1',
      position: 1,
      attempts: 1,
      headers: undefined,
      body: Buffer.from('{}'),
    };
    await letters.put(about, `two\r\nlines \u00e9 ${'x'.repeat(5_000)}`);
    const reason = (await letters.get(1))!.header.get('Sandlot-Dead-Reason');
    expect(reason).toMatch(/^two lines \u00e9 x+$/);
    expect(reason).toHaveLength(1_000);
  });
});
