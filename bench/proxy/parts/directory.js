/** What a proxy knows of routes, in a process of its own: says when it sees that of `watched` change. */
import { connect } from '@nats-io/transport-node';
import { KvDirectory } from '../../../services/proxy/dist/adapters/kv-directory.js';

const [url, username] = process.argv.slice(2);
const directory = KvDirectory.open(await connect({ servers: url }));
while (!directory.current) await new Promise((done) => setTimeout(done, 10));
directory.watchRoute(username, 'watched', (route) => process.send({ address: route?.ports[0].address }));
process.send({ port: 0 });
