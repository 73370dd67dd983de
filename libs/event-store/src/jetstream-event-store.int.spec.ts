import { aCommand, anAggregate, names, renamed, testEventStore, write } from './event-store.features.js';
import { revisionOf } from './event-store.js';
import { JetStreamEventStore } from './jetstream-event-store.js';
import { connectTo, jetStreamUnderTest, startLog } from './jetstream-under-test.js';

testEventStore('JetStream, one replica', () => jetStreamUnderTest());
testEventStore('JetStream, three replicas', () => jetStreamUnderTest({ replicas: 3 }));

it('reads an aggregate of which at most one event is new with one request', async () => {
  const connection = await connectTo((await startLog())[0]!);
  const store = await JetStreamEventStore.open(connection);
  const ref = anAggregate();
  const read = async (after?: Parameters<typeof store.read>[1]) => {
    const before = connection.stats().outMsgs;
    const events = await store.read(ref, after);
    return { events, requests: connection.stats().outMsgs - before };
  };
  expect(await read()).toEqual({ events: [], requests: 1 });
  await store.append(aCommand(), [write(ref, renamed('a'))]);
  const first = await read();
  expect({ names: names(first.events), requests: first.requests }).toEqual({ names: ['a'], requests: 1 });
  const after = revisionOf(first.events[0]!);
  expect(await read({ after })).toEqual({ events: [], requests: 1 });
  await store.append(aCommand(), [write(ref, renamed('b', 'c'), after)]);
  const rest = await read({ after });
  expect(names(rest.events)).toEqual(['b', 'c']);
});
