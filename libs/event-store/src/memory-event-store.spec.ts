import { testEventStore } from './event-store.features.js';
import { MemoryEventStore } from './memory-event-store.js';

testEventStore('in memory', async () => {
  const store = new MemoryEventStore();
  return { store, another: store };
});
