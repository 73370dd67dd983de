import { DiscoveryPublished, DiscoveryWithdrawn, type DiscoveredRoute } from '@sandlot/contracts';
import { given } from '@sandlot/testing';
import { discoveryDecider } from './discovery.js';

const route: DiscoveredRoute = {
  uid: 'u1',
  namespace: 'research',
  username: 'default',
  name: 's1',
  state: 'running',
  ports: [],
  shared: false,
};
const report = (seen: { route: DiscoveredRoute } | { reason: string }) => ({ type: 'ReportDiscovery' as const, seen });
const published = ({ uid, shared }: Pick<DiscoveredRoute, 'uid' | 'shared'> = route) =>
  DiscoveryPublished({ username: 'default', name: 's1', namespace: 'research', uid, shared });
const discovery = given(discoveryDecider);

describe('what the proxies were told at an address', () => {
  it('is told once, whatever becomes of its pod', () => {
    discovery().when(report({ route })).then(published());
    discovery(published())
      .when(report({ route: { ...route, state: 'paused' } }))
      .thenNothing();
  });

  it('is told again when it is another object, or for others', () => {
    for (const changes of [{ uid: 'u2' }, { shared: true }])
      discovery(published())
        .when(report({ route: { ...route, ...changes } }))
        .then(published({ ...route, ...changes }));
  });

  it('ends once, with the reason', () => {
    discovery(published())
      .when(report({ reason: 'GONE' }))
      .then(DiscoveryWithdrawn({ reason: 'GONE' }));
    discovery(published(), DiscoveryWithdrawn({ reason: 'GONE' }))
      .when(report({ reason: 'NAME_CLASH' }))
      .thenNothing();
  });
});
