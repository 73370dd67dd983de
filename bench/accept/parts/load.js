/** Sends what it is told to, and tells how long each request took. Ends with its parent. */
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from '../../platform/client.js';

process.once('disconnect', () => process.exit());
process.once('message', (load) => void generate(load));

async function generate({ url, path, keys, prefix, perSecond, seconds }) {
  const times = [];
  const refused = {};
  const began = performance.now();
  const end = began + seconds * 1000;
  const create = async (client, name, due) => {
    const { status } = await client.send('POST', path, { name });
    if (status === 202) times.push(performance.now() - due);
    else refused[status] = (refused[status] ?? 0) + 1;
  };
  const runClient = async (key, index) => {
    const client = new Client(url, key);
    const every = 1000 / perSecond;
    for (let turn = 0; ; turn += 1) {
      // Spread evenly; who is late because the last answer was late counts from when the request was due.
      const due = perSecond ? began + every * (turn + index / keys.length) : performance.now();
      if (due >= end) break;
      const early = due - performance.now();
      if (early > 0) await pause(early);
      await create(client, `${prefix}-${turn}`, perSecond && early <= 0 ? due : performance.now());
    }
    client.close();
  };
  await Promise.all(keys.map(runClient));
  process.send({ times, refused, seconds: (performance.now() - began) / 1000 });
}
