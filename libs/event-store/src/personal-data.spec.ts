import { testPersonalData } from './personal-data.features.js';
import { MemorySubjectKeys } from './subject-keys.js';

const keys = new MemorySubjectKeys();
testPersonalData('in memory', async () => keys);
