import { connect } from '@nats-io/transport-node';
import type { Condition } from '@sandlot/contracts';
import { atEnd, startTestNats } from '@sandlot/testing';
import { answerConditions, askConditions, Conditions } from './conditions.js';

const one: Condition = { code: 'SL-TLS-01', subject: 'proxy/certificate', message: 'it expires' };
const other: Condition = { code: 'SL-ACC-01', subject: 'proxy/access-records', message: '3 records dropped' };

describe('what processes of a service say to be wrong', () => {
  it('is heard from each of them, however many there are, without what throws or takes too long', async () => {
    const nats = await startTestNats();
    const connected = async () => {
      const connection = await connect({ servers: nats.url });
      atEnd(() => connection.close());
      return connection;
    };
    const asking = await connected();
    expect(await askConditions(asking, 'proxy')).toEqual([]);
    for (const found of [[one], [other], []]) {
      const conditions = new Conditions();
      conditions.add(() => found);
      conditions.add(() => Promise.reject(new Error('it throws')));
      conditions.add(() => new Promise(() => undefined));
      const connection = await connected();
      answerConditions(connection, 'proxy', conditions);
      await connection.flush();
    }
    const heard = await askConditions(asking, 'proxy');
    expect(heard.map(({ conditions }) => conditions)).toEqual(expect.arrayContaining([[one], [other], []]));
    expect(heard).toHaveLength(3);
    expect(heard[0]).toMatchObject({ service: 'proxy', instance: expect.stringContaining(`/${process.pid}`), heardAt: expect.any(Date) });
  }, 30_000);
});
