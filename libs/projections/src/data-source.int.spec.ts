import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { atEnd } from '@sandlot/testing';
import { dataSource, writerPool } from './data-source.js';
import { Unavailable } from './stops.js';
import { transaction } from './transaction.js';

/** A server that takes a connection and gives it up in the same packet, as PostgreSQL does when its postmaster dies at that moment. */
async function dyingPostgres(): Promise<string> {
  const message = (type: string, body: Buffer) => Buffer.concat([Buffer.from(type), Buffer.from([0, 0, 0, body.length + 4]), body]);
  const fatal = Buffer.from('SFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0');
  const lastWords = Buffer.concat([message('R', Buffer.alloc(4)), message('Z', Buffer.from('I')), message('E', fatal)]);
  const server = createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.end(lastWords)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => void server.close());
  return `postgresql://nobody@127.0.0.1:${(server.address() as AddressInfo).port}/nothing`;
}

describe('a connection that is lost in the moment in which it is handed over', () => {
  it('is reported to who asked for it, and ends nothing else', async () => {
    const pool = writerPool('test', await dyingPostgres());
    await expect(transaction(pool, () => Promise.resolve())).rejects.toBeInstanceOf(Unavailable);
    await pool.end();
  });

  it('is no more to queries', async () => {
    await expect(dataSource('test', await dyingPostgres(), []).initialize()).rejects.toThrow('connection error');
  });
});
