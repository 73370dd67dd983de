import { waitIn } from './prefer.js';

it.each([
  [undefined, 0],
  ['respond-async', 0],
  ['wait=10', 10],
  ['respond-async, wait=5', 5],
  ['Wait = "7"', 7],
  ['wait=5, wait=9', 5],
  ['wait=600', 60],
  ['wait=soon', 0],
  ['wait=-1', 0],
])('Prefer: %s waits %i s', (header, seconds) => expect(waitIn(header)).toBe(seconds));
