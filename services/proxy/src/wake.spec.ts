import { preferredWaitMs } from './wake.js';

it.each([
  [undefined, Infinity],
  ['', Infinity],
  ['return=minimal', Infinity],
  ['respond-async', 0],
  ['return=minimal, Respond-Async', 0],
  ['respond-async; x=1', 0],
  ['wait=0', 0],
  ['wait=5', 5000],
  ['Wait = "7"', 7000],
  ['respond-async, wait=10', 10_000],
  ['wait=soon', Infinity],
  ['await=0', Infinity],
])('Prefer: %s means waiting %s ms at most', (prefer, milliseconds) => expect(preferredWaitMs(prefer)).toBe(milliseconds));
