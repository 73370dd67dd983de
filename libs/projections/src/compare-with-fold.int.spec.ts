import { compareWithFold } from './index.js';
import { ProjectionsUnderTest, sandboxes, waitForState } from './projections-under-test.js';

describe('a read model, compared with a fold of the log', () => {
  it('is what the log says, also while it goes on; and where somebody has changed it, the table and how many rows are told', async () => {
    const platform = await ProjectionsUnderTest.start();
    const { connection, ownerUrl: databaseUrl } = platform;
    const compare = () => compareWithFold({ service: 'provisioner', model: sandboxes, connection, databaseUrl });
    const whole = { service: 'provisioner', model: 'sandboxes', differing: [] };
    for (let i = 0; i < 20; i += 1) await platform.scribe.sandbox(5);
    expect(await compare()).toEqual({ ...whole, position: 0, rows: 0 });

    const runner = platform.runner({ models: [sandboxes] });
    const [compared] = await Promise.all([compare(), platform.scribe.sandbox(50)]);
    expect(compared).toMatchObject(whole);
    const position = await platform.lastPosition();
    await waitForState(runner, 'sandboxes', (status) => status.position === position, 'it is at the end');
    expect(await compare()).toEqual({ ...whole, position, rows: 21 });

    await platform.asOwner(
      `update provisioner_blue.sandboxes set pauses = pauses + 1 where id = (select min(id) from provisioner_blue.sandboxes)`,
    );
    await platform.asOwner(`delete from provisioner_blue.sandboxes where id = (select max(id) from provisioner_blue.sandboxes)`);
    expect(await compare()).toEqual({ ...whole, position, rows: 20, differing: [{ table: 'sandboxes', missing: 2, unexpected: 1 }] });

    await runner.rebuild('sandboxes', 'somebody has changed it');
    await waitForState(runner, 'sandboxes', ({ live, rebuild }) => live === 'green' && !rebuild, 'it is rebuilt');
    expect(await compare()).toMatchObject(whole);
  });
});
