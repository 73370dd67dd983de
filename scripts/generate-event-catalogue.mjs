// Writes docs/reference/events.md from the schemas of the events. Needs a build.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventReference } from '../libs/contracts/dist/event-reference.js';

const file = join(import.meta.dirname, '..', 'docs', 'reference', 'events.md');
await mkdir(join(file, '..'), { recursive: true });
await writeFile(file, eventReference());
console.log(`wrote ${file}`);
