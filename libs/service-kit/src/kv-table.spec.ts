import { MemoryTable } from './kv-table.js';
import { testTable, type Fruit } from './kv-table.features.js';

testTable('memory', () => {
  const table = new MemoryTable<Fruit>();
  return Promise.resolve({ table, other: table });
});
