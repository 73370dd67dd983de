import { MemoryRouteTable } from './memory-route-table.js';
import { testRouteTable } from './route-table.features.js';

testRouteTable('memory', async () => {
  const table = new MemoryRouteTable();
  return { table, other: table };
});
