import { newId } from '@sandlot/kernel';
import { labelsOf } from './labels.js';

it('S0-55 a sandbox carries the label user, and its user can set neither that nor another of ours', () => {
  const owner = newId('usr');
  const id = newId('sbx');
  const labels = { team: 'search', user: 'bob', 'sandlot.dev/owner': 'bob', 'agents.x-k8s.io/adoptable': 'true' };
  expect(labelsOf(id, { owner, username: 'alice', name: 's1', spec: { labels } })).toEqual({
    team: 'search',
    user: 'alice',
    'app.kubernetes.io/name': 'sandbox',
    'app.kubernetes.io/instance': 's1',
    'app.kubernetes.io/managed-by': 'sandlot',
    'sandlot.dev/sandbox-id': id,
    'sandlot.dev/owner': owner,
    'sandlot.dev/sandbox': 's1',
  });
});
