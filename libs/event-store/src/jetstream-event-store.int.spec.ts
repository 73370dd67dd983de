import { testEventStore } from './event-store.features.js';
import { jetStreamUnderTest } from './jetstream-under-test.js';

testEventStore('JetStream, one replica', () => jetStreamUnderTest());
testEventStore('JetStream, three replicas', () => jetStreamUnderTest({ replicas: 3 }));
