import type { KubernetesObject } from './cluster.js';
import { ObjectStore } from './store.js';

const object = (name: string, resourceVersion: string, more: Partial<KubernetesObject['metadata']> = {}): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'n', uid: `uid-${name}`, resourceVersion, labels: { 'sandlot.dev/owner': 'alice', app: 'x' }, ...more },
});
const versionOf = (store: ObjectStore, name = 'a') => store.find({ name, namespace: 'n' })?.metadata.resourceVersion;

function given() {
  let now = 0;
  const store = new ObjectStore(() => now);
  const told: string[] = [];
  store.listen(({ metadata }, event) => told.push(`${event} ${metadata.name}@${metadata.resourceVersion}`));
  return { store, told, at: (time: number) => (now = time) };
}

describe('the objects in memory', () => {
  it('are found by name, namespace and our own labels, and by no other', () => {
    const { store } = given();
    store.listed([object('a', '1'), object('b', '2', { namespace: 'm', labels: { 'sandlot.dev/owner': 'bob' } })], 0);
    expect(store.select('owner', 'alice').map(({ metadata }) => metadata.name)).toEqual(['a']);
    expect(store.all('m').map(({ metadata }) => metadata.name)).toEqual(['b']);
    store.watched('MODIFIED', object('a', '3', { labels: { 'sandlot.dev/owner': 'bob' } }));
    expect(store.select('owner', 'alice')).toEqual([]);
    expect(store.select('owner', 'bob')).toHaveLength(2);
    store.watched('DELETED', object('b', '4', { namespace: 'm' }));
    expect([store.all('m'), store.all().length, store.select('owner', 'bob').length]).toEqual([[], 1, 1]);
  });

  it('are not taken back to before a write of ours by what the watch tells late', () => {
    const { store } = given();
    store.listed([object('a', '99')], 0);
    store.written(object('a', '105'));
    store.watched('MODIFIED', object('a', '100'));
    expect(versionOf(store)).toBe('105');
    store.watched('MODIFIED', object('a', '105'));
    store.watched('MODIFIED', object('a', '110'));
    expect(versionOf(store)).toBe('110');
  });

  it('keep what the watch has told before the answer to an older write of ours came', () => {
    const { store } = given();
    store.listed([object('a', '9')], 0);
    store.watched('MODIFIED', object('a', '100'));
    store.written(object('a', '50'));
    expect(versionOf(store)).toBe('100');
  });

  it('do not come back when the watch has told of their end before the answer to a write of ours came', () => {
    const { store } = given();
    store.listed([object('a', '1')], 0);
    store.watched('DELETED', object('a', '20'));
    for (const version of ['19', '20']) store.written(object('a', version, { deletionTimestamp: 'soon' }));
    expect(versionOf(store)).toBeUndefined();
    store.written(object('a', '20')); // it had only left what is followed
    expect(versionOf(store)).toBe('20');
  });

  it('do not come back after a delete of ours, until another takes the place', () => {
    const { store, told } = given();
    store.listed([object('a', '1')], 0);
    store.deleted({ name: 'a', namespace: 'n' }, 'uid-a');
    store.watched('MODIFIED', object('a', '2'));
    expect(versionOf(store)).toBeUndefined();
    store.watched('DELETED', object('a', '3'));
    store.watched('ADDED', object('a', '4', { uid: 'other' }));
    expect(versionOf(store)).toBe('4');
    expect(told).toEqual(['present a@1', 'gone a@1', 'present a@4']);
  });

  it('are what a list says, older versions included, but for what we wrote after it was asked for', () => {
    const { store, told, at } = given();
    store.listed([object('a', '500'), object('b', '501'), object('c', '502')], 0);
    at(10);
    store.written(object('d', '503'));
    at(30);
    store.written(object('e', '504'));
    told.length = 0;
    store.listed([object('a', '20'), object('b', '501')], 20);
    expect(store.all().map(({ metadata: { name, resourceVersion } }) => `${name}@${resourceVersion}`)).toEqual(['a@20', 'b@501', 'e@504']);
    expect(told).toEqual(['present a@20', 'gone c@502', 'gone d@503']);
  });

  it('that we wrote after a list was asked for stay as they were written, although the list has them older', () => {
    const { store, at } = given();
    store.listed([object('a', '100')], 0);
    at(30);
    store.written(object('a', '200'));
    store.listed([object('a', '100')], 20);
    expect(versionOf(store)).toBe('200');
  });

  it('that a restore has brought back take our writes again, although their end was told with a later version', () => {
    const { store } = given();
    store.listed([object('a', '100')], 0);
    store.watched('DELETED', object('a', '500'));
    store.listed([object('a', '100')], 1);
    store.written(object('a', '120'));
    expect(versionOf(store)).toBe('120');
  });

  it('of one namespace are listed without touching those of others', () => {
    const { store } = given();
    store.listed([object('a', '1')], 0, 'n');
    store.listed([object('b', '1', { namespace: 'm' })], 0, 'm');
    store.listed([], 1, 'n');
    expect(store.all().map(({ metadata }) => metadata.name)).toEqual(['b']);
  });

  it('are told to those who listen later, and as another when the uid is another', () => {
    const { store, told } = given();
    store.listed([object('a', '1')], 0);
    const late: string[] = [];
    store.listen(({ metadata }) => late.push(metadata.name));
    expect(late).toEqual(['a']);
    store.watched('ADDED', object('a', '2', { uid: 'other' }));
    expect(told).toEqual(['present a@1', 'gone a@1', 'present a@2']);
  });
});
