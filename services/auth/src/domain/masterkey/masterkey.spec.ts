import { MasterKeyDataKeysRewrapped } from '@sandlot/contracts';
import { masterKeyDecider } from './masterkey.js';

describe('a master key', () => {
  it('remembers how many data keys it has taken over, and nothing when it was none', () => {
    expect(masterKeyDecider.decide({ type: 'RecordRewrapped', count: 3 }, null)).toEqual([MasterKeyDataKeysRewrapped({ count: 3 })]);
    expect(masterKeyDecider.decide({ type: 'RecordRewrapped', count: 0 }, null)).toEqual([]);
  });
});
